"""The head pose of a frame, `{frame}_transform.txt`: the rigid motion [R|t] from head space to the world."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.dataset.cameras import check_rotation
from splatrig.io.errors import InputError
from splatrig.io.files import File, write_text
from splatrig.io.plain_text import finite_numbers, read_lines


def read_pose(path: str | File) -> NDArray[np.float64]:
    """Read the matrix head_to_world [3, 4], millimeters; blank lines, CRLF and a byte order mark are ignored.

    A fourth row `0 0 0 1` is allowed.

    Args:
        path: The file `{frame}_transform.txt`.

    Returns:
        Rigid motion from head space to the world.

    Raises:
        InputError: The number of values is wrong, a word is not a finite number, or the matrix is not a rigid motion;
            names the file, and the line where there is one.
    """
    rows = [finite_numbers(words, 4, f"{path} line {number}: head pose") for number, words in read_lines(path)]
    if len(rows) == 4 and rows[3] == [0.0, 0.0, 0.0, 1.0]:
        rows.pop()
    if len(rows) != 3:
        raise InputError(
            f"{path}: head pose: expected 3 rows of 4 numbers, got {len(rows)}; copy the file again, or leave the "
            "frame out."
        )
    pose = np.array(rows)
    check_rotation(pose[:, :3], f"{path}: head pose")
    return pose


def write_pose(path: str | Path, head_to_world: NDArray[np.float64]) -> None:
    """Write head_to_world [3, 4]; `read_pose` returns the same bits."""
    rows = (" ".join(repr(float(value)) for value in row) for row in head_to_world)
    write_text(path, "\n".join(rows) + "\n")


def moved(head_to_world: NDArray[np.floating], motion: NDArray[np.floating]) -> NDArray[np.float64]:  # [3, 4] each
    """Return the pose of a head that first moves by a rigid `motion` in head space: R (R' v + t') + t."""
    turn, shift = motion[:, :3].astype(np.float64), motion[:, 3].astype(np.float64)
    return np.column_stack([head_to_world[:, :3] @ turn, head_to_world[:, :3] @ shift + head_to_world[:, 3]])


def to_world(points: NDArray[np.float64], head_to_world: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return head-space `points` [N, 3] in the world: R v + t."""
    return points @ head_to_world[:, :3].T + head_to_world[:, 3]


def to_head(points: NDArray[np.float64], head_to_world: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return world `points` [N, 3] in head space: Rᵀ (v - t)."""
    return (points - head_to_world[:, 3]) @ head_to_world[:, :3]
