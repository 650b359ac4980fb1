"""Positions of a neutral face's features, from landmarks; a capture without landmarks has none."""

from dataclasses import asdict, dataclass

import h5py
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FaceMarks:
    """Reference points of a face from which regions are measured: head space, millimeters."""

    nose_tip: NDArray[np.float64]  # [3]
    left_eye: NDArray[np.float64]  # [3]
    """Center of the lids of the subject's own left eye, +x."""
    right_eye: NDArray[np.float64]  # [3]
    mouth: NDArray[np.float64]  # [3]


def write_marks(group: h5py.Group, marks: FaceMarks) -> None:
    """Write the reference points as a group `marks`."""
    inner = group.create_group("marks")
    for name, place in asdict(marks).items():
        inner[name] = place


def read_marks(group: h5py.Group) -> FaceMarks | None:
    """Read the group `marks`; None if there is none."""
    if "marks" not in group:
        return None
    return FaceMarks(**{name: group["marks"][name][:] for name in FaceMarks.__dataclass_fields__})
