"""Promises of segment names: which of ARKit's blendshapes the frames of a segment show."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from splatrig.blendshapes.arkit import NAMES
from splatrig.io.errors import InputError


def read_promises(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Read the blendshapes that each segment is expected to show, from a YAML file of segments and lists of names.

    Raises:
        InputError: The file holds anything else.
    """
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as YAML ({error}); correct it.") from error
    if not isinstance(document, dict) or not all(isinstance(names, list) for names in document.values()):
        raise InputError(f"{path}: expected segments, each with a list of blendshapes, got {document!r:.60}.")
    for segment, names in document.items():
        unknown = [name for name in names if name not in NAMES]
        if unknown:
            raise InputError(
                f"{path}, {segment}: expected ARKit's blendshapes, such as {NAMES[0]}, got {unknown[0]!r}."
            )
    return {str(segment): tuple(names) for segment, names in document.items()}


def promised(
    frames: Sequence[str],  # `expression/frame`
    promises: Mapping[str, Sequence[str]],
) -> NDArray[np.bool_]:  # [F, 52]
    """Return the mask [F, 52] of blendshapes that the names of each frame's segment promise."""
    names = [promises.get(frame.partition("/")[0], ()) for frame in frames]
    return np.array([[name in own for name in NAMES] for own in names]).reshape(len(frames), len(NAMES))
