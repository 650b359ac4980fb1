"""Face units of each segment of the demo, their growth from onset to peak, and the numbering of frames."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from splatrig.io.errors import InputError

FRAME_STEP = 3
FIRST_FRAME = 102
FRAMES_PER_SEGMENT = 390


def load_expressions(path: str | Path) -> dict[str, dict[str, float]]:
    """Read the table segment -> {face unit: weight at the peak}."""
    table = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    expressions = {}
    for segment, weights in table.items():
        for unit, weight in (weights or {}).items():
            if not isinstance(weight, int | float) or not 0.0 <= weight <= 1.5:
                raise InputError(f"{path}, {segment}, {unit}: expected a weight in [0, 1.5], got {weight!r}.")
        expressions[segment] = {unit: float(weight) for unit, weight in (weights or {}).items()}
    return expressions


def peak_weights(expressions: Mapping[str, Mapping[str, float]], segment: str) -> Mapping[str, float]:
    """Return a segment's weights at its peak; raise InputError when the demo head has no such segment."""
    if segment not in expressions:
        raise InputError(
            f"capture.expressions: the demo head has no segment {segment!r}; it has {', '.join(expressions)}."
        )
    return expressions[segment]


def ramp(frame_count: int) -> list[float]:
    """Return the fraction of the peak in each frame: even steps up to 1."""
    return [(index + 1) / frame_count for index in range(frame_count)]


def frame_weights(peak: Mapping[str, float], frame_count: int) -> list[dict[str, float]]:
    """Return the unit weights of each frame of a segment."""
    return [{unit: share * weight for unit, weight in peak.items()} for share in ramp(frame_count)]


def frame_names(segment: str, frame_count: int) -> list[str]:
    """Return the six-digit frame names of a segment, which depend on its E number alone and step by 3."""
    match = re.match(r"[A-Z]+0*(\d+)", segment)
    number = int(match[1]) if match else 0
    first = FIRST_FRAME + FRAMES_PER_SEGMENT * max(number - 1, 0)
    return [f"{first + FRAME_STEP * index:06d}" for index in range(frame_count)]


def frame_list_text(segments: Sequence[str], frame_count: int) -> str:
    """Return the content of `frame_list.txt`: one line `SEGMENT FRAME` per frame."""
    return "".join(f"{segment} {frame}\n" for segment in segments for frame in frame_names(segment, frame_count))


def truth_rows(
    expressions: Mapping[str, Mapping[str, float]], segments: Sequence[str], frame_count: int
) -> list[tuple[str, str, str, float]]:
    """Return rows (expression, frame, unit, weight) for every unit that any of the segments uses."""
    units = sorted({unit for segment in segments for unit in peak_weights(expressions, segment)})
    return [
        (segment, frame, unit, weights.get(unit, 0.0))
        for segment in segments
        for frame, weights in zip(
            frame_names(segment, frame_count),
            frame_weights(peak_weights(expressions, segment), frame_count),
            strict=True,
        )
        for unit in units
    ]
