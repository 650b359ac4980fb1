"""Control panel of a family: names, slider ranges from the data, presets, and the covariance of the weights."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.components.component_file import Components
from splatrig.components.names import Units, best_units, component_names
from splatrig.io.errors import InputError
from splatrig.io.files import unreadable, write_text
from splatrig.mesh.template import Level

FORMAT = "splatrig panel"
FORMAT_VERSION = 1

PERCENTILES = (1.0, 99.0)
"""Percentiles of the fitted weights where sliders end, so that a few outliers do not stretch them."""

USED = 1e-3
"""A frame uses a component if its weight is at least this fraction of the component's largest."""


@dataclass(frozen=True)
class Panel:
    """Controls of one family of K components; weight 0 everywhere is the rest face."""

    family: str
    """Name of the family: stem of the component file."""
    subject: str
    names: tuple[str, ...]
    """K readable names."""
    low: NDArray[np.float64]  # [K]
    """Lower ends of the sliders: a low percentile of the fitted weights, never above 0."""
    high: NDArray[np.float64]  # [K]
    """Upper ends of the sliders: a high percentile of the fitted weights, never below 0."""
    limits: tuple[float, float] | None
    """Bounds of the model, (0, 1) for non-negative local components; None for free weights."""
    mean: NDArray[np.float64]  # [K]
    """Mean of the fitted weights."""
    covariance: NDArray[np.float64]  # [K, K]
    """Covariance of the fitted weights."""
    neutral: NDArray[np.float64]  # [K]
    """Weights of the neutral face; zeros unless the rest face is the mean."""
    presets: dict[str, NDArray[np.float64]]
    """Weights [K] by expression, those of its frame that is farthest from the neutral."""

    @property
    def count(self) -> int:
        """Number of components K."""
        return len(self.names)


def panel_of(
    family: str,
    components: Components,
    level: Level,
    *,
    subject: str,
    neutral_frame: str,
    units: Units | None = None,
) -> Panel:
    """Return the panel of a component file; components without names get names from what they do.

    `neutral_frame` is `expression/frame`; `units` are known face units to name components after.
    """
    W, whole = components.W.astype(np.float64), components.keeps_name
    low, high = np.zeros(W.shape[1]), np.ones(W.shape[1])  # if 1 has a meaning, whatever the range in the frames
    if not whole.all():
        low[~whole], high[~whole] = weight_ranges(W[:, ~whole])
    zeros = np.zeros(W.shape[1])
    neutral = W[components.frames.index(neutral_frame)] if neutral_frame in components.frames else zeros
    return Panel(
        family=family,
        subject=subject,
        names=usable_names(
            components.names
            or component_names(components, level, best_units(components, units, level) if units else None)
        ),
        low=low,
        high=high,
        limits=components.limits,
        mean=W.mean(axis=0),
        covariance=np.cov(W, rowvar=False).reshape(W.shape[1], W.shape[1]) if len(W) > 1 else np.diag(zeros),
        neutral=zeros if components.origin.rest == "neutral" else neutral,
        presets=_presets(components, W, neutral),
    )


def usable_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return unique one-line names: white space becomes single spaces, and repeated names get a number."""
    usable: list[str] = []
    for number, name in enumerate(names, start=1):
        plain = " ".join(name.split()) or f"component {number}"
        while plain in usable:
            plain = f"{plain} ({number})"
        usable.append(plain)
    return tuple(usable)


def weight_ranges(
    W: NDArray[np.float64],  # [F, K]
    percentiles: tuple[float, float] = PERCENTILES,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends [K] of sliders: percentiles over the frames that use a component, extended to include 0.

    Frames with zero weight are excluded, so that sparse components get a useful slider range. A component that no frame
    uses gets the range of those that are used.
    """
    low, high = np.zeros(W.shape[1]), np.zeros(W.shape[1])
    for k, weights in enumerate(W.T):
        used = weights[np.abs(weights) >= USED * max(np.abs(weights).max(initial=0.0), 1e-300)]
        if used.size:
            low[k], high[k] = (
                np.minimum(np.percentile(used, percentiles[0]), 0),
                max(np.percentile(used, percentiles[1]), 0),
            )
    still = high - low <= 0
    if (~still).any():
        low[still], high[still] = low[~still].mean(), high[~still].mean()
    else:
        high[:] = 1.0
    return low, high


def _presets(
    components: Components, W: NDArray[np.float64], neutral: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    C = components.on_mesh.C
    gram = (C @ C.T).astype(np.float64)
    away = W - neutral
    energy = np.einsum("fk,kl,fl->f", away, gram, away)
    expressions = [frame.rpartition("/")[0] for frame in components.frames]
    presets = {}
    for name in dict.fromkeys(expressions):
        rows = [row for row, expression in enumerate(expressions) if expression == name]
        presets[name] = W[max(rows, key=lambda row: energy[row])]
    return presets


def write_panel(path: str | Path, panel: Panel) -> None:
    """Write a panel as JSON; `read_panel` restores the same bits."""
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "family": panel.family,
        "subject": panel.subject,
        "names": list(panel.names),
        "low": panel.low.tolist(),
        "high": panel.high.tolist(),
        "limits": None if panel.limits is None else list(panel.limits),
        "mean": panel.mean.tolist(),
        "covariance": panel.covariance.tolist(),
        "neutral": panel.neutral.tolist(),
        "presets": {name: weights.tolist() for name, weights in panel.presets.items()},
    }
    write_text(path, json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def read_panel(path: str | Path) -> Panel:
    """Read a panel.

    Raises:
        InputError: The file is not a panel, or its values are not valid sliders.

    Example:
        >>> panel = read_panel(Path("results/demo/control/panels/learned_arkit.json"))
        >>> dict(zip(panel.names, panel.high))
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(document, Mapping) or document.get("format") != FORMAT:
            raise InputError(f"{path}: expected a panel of splatrig, got another file.")
        if document["format_version"] != FORMAT_VERSION:
            raise InputError(
                f"{path}: expected format version {FORMAT_VERSION}, got {document['format_version']}; "
                "delete it and run again."
            )
        limits = document["limits"]
        count = len(document["names"])
        panel = Panel(
            family=str(document["family"]),
            subject=str(document["subject"]),
            names=tuple(map(str, document["names"])),
            limits=None if limits is None else (float(limits[0]), float(limits[1])),
            covariance=np.array(document["covariance"], dtype=np.float64).reshape(count, count),
            presets={name: _numbers(weights, count) for name, weights in document["presets"].items()},
            **{key: _numbers(document[key], count) for key in ("low", "high", "mean", "neutral")},
        )
        _check(panel)
    except (OSError, KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise unreadable(path, error, f"cannot be read as a panel ({error}); delete it and run again.") from error
    return panel


def _check(panel: Panel) -> None:
    """Raise ValueError unless names differ, values are finite and every slider includes 0."""
    if not panel.names or len(set(panel.names)) != panel.count:
        raise ValueError("expected one or more names that differ")
    numbers = np.concatenate([panel.low, panel.high, panel.mean, panel.neutral, *panel.presets.values()])
    if not (np.isfinite(numbers).all() and np.isfinite(panel.covariance).all()):
        raise ValueError("expected finite numbers, got NaN or infinity")
    if (panel.low > 0).any() or (panel.high < 0).any():
        raise ValueError("expected every slider to include 0, the rest face")


def _numbers(values: object, count: int) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64).reshape(count)
