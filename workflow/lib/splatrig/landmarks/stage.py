"""The jobs of this stage: find landmarks of the neutral frame, or take a user's, and check the capture by them."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.dataset.dataset import Dataset, Frame
from splatrig.dataset.frames import read_chosen_frames
from splatrig.dataset.pose import read_pose
from splatrig.io.files import write_text
from splatrig.landmarks.calibration_faults import AGREEING, Agreement, Scene, agreement
from splatrig.landmarks.check import check_scene, off_center
from splatrig.landmarks.locate import faces_seen
from splatrig.landmarks.points import POINTS
from splatrig.landmarks.table import Landmarks, attach_located, no_landmarks
from splatrig.landmarks.triangulate import project, projections
from splatrig.mesh.nearest import Surface
from splatrig.mesh.obj import read_obj

logger = logging.getLogger(__name__)

_FEWEST = 2
"""Cameras that must see a face."""


@dataclass(frozen=True)
class Neutral:
    """The neutral frame of a data set."""

    dataset: Dataset
    frame: Frame
    head_to_world: NDArray[np.float64]  # [3, 4]
    surface: Surface
    """The tracked mesh in head space."""

    @classmethod
    def open(cls, cameras: str | Path, frames: str | Path, expression: str) -> "Neutral":
        """Open the neutral of `expression`, of the data set with `cameras.json` and the table of the expression."""
        dataset = Dataset.open(cameras)
        table = read_chosen_frames(frames)
        name = table.loc[table["neutral"], "frame"].item()
        frame = dataset.frame(f"{expression}/{name}")
        mesh = read_obj(frame.folder / f"{name}.obj")
        pose = read_pose(frame.folder / f"{name}_transform.txt")
        return cls(dataset, frame, pose, Surface(mesh.vertices, mesh.faces))

    def scene(self, seen: NDArray[np.float64], canonical: NDArray[np.float64]) -> Scene:
        """Return the frame with what its training cameras see, of the points `seen` by all [C, L, 2]."""
        train = ~self.dataset.cameras.held_out
        return Scene(self.dataset.cameras.train, self.head_to_world, seen[train], self.surface, canonical)

    def seen(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:  # [C, L, 2]
        """Return where the training cameras would see `positions` [L, 3]; NaN for held-out cameras."""
        projected = project(projections(self.frame.cameras), positions)
        return np.where(self.frame.cameras.held_out[:, None, None], np.nan, projected)


def find(neutral: Neutral, seen: NDArray[np.float64], canonical: NDArray[np.float64]) -> Landmarks:
    """Return the landmarks of a neutral whose cameras see the points `seen` [C, L, 2].

    None of them, and a warning, where no two cameras see a face, or those that see one do not agree on where it is.
    """
    faces, name = faces_seen(seen), neutral.frame.name
    if faces < _FEWEST:
        logger.warning(
            "%s: %s of the training cameras sees a face, two must for landmarks: the capture is not checked, and the "
            "nose is where the tracked mesh reaches farthest along +z; give landmarks of your own "
            "(capture.landmarks) if that is wrong",
            *(name, "one" if faces else "none"),
        )
        return no_landmarks()
    found = agreement(neutral.scene(seen, canonical))
    if found.agreeing < AGREEING:
        logger.warning(
            "%s: %d cameras see a face, and only %.0f %% of what they see agrees: landmarks are left out",
            *(name, faces, 100 * found.agreeing),
        )
        return no_landmarks()
    logger.info(
        "%s: %d of %d points; error of reprojection %.3f %% of the image's height, %.2f mm from the tracked mesh",
        *(name, np.isfinite(found.located.positions[:, 0]).sum(), len(POINTS), 100 * found.error, found.distance_mm),
    )
    return attach_located(found.located, neutral.surface)


def check(
    neutral: Neutral, seen: NDArray[np.float64], canonical: NDArray[np.float64], krt: str, image_scale: float
) -> tuple[Agreement | None, list[str]]:
    """Return how well a capture agrees with itself, where a face is seen, and what looks odd about it.

    Raises InputError when it cannot be right.
    """
    if faces_seen(seen) < _FEWEST:
        return None, off_center(neutral.dataset.cameras)
    scene = neutral.scene(seen, canonical)
    return agreement(scene), check_scene(scene, krt, image_scale)


def write_check(path: str | Path, found: Agreement | None, odd: list[str]) -> None:
    """Write the result of a check as JSON and say in the log what is odd."""
    for sentence in odd:
        logger.warning("%s", sentence)
    figures = (
        {}
        if found is None
        else {
            "agreeing_fraction": round(found.agreeing, 4),
            "reprojection_error_percent_of_height": round(100 * found.error, 4),
            "distance_to_tracked_mesh_mm": round(found.distance_mm, 3),
        }
    )
    write_text(path, json.dumps({**figures, "odd": odd}, indent=1, ensure_ascii=False) + "\n")
