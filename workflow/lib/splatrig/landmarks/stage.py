"""Jobs of the landmarks step.

They find landmarks of the neutral frame, or read a user's, and check the capture with them.
"""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.dataset.dataset import Dataset, Frame
from splatrig.dataset.frames import read_chosen_frames
from splatrig.dataset.pose import read_pose
from splatrig.io.errors import InputError
from splatrig.io.files import write_text
from splatrig.landmarks.calibration_faults import AGREEING, Agreement, Scene, agreement
from splatrig.landmarks.check import check_positions, check_scene, off_center
from splatrig.landmarks.locate import faces_seen
from splatrig.landmarks.points import POINTS
from splatrig.landmarks.table import Landmarks, attach_located, no_landmarks
from splatrig.landmarks.triangulate import project, projections
from splatrig.mesh.nearest import Surface
from splatrig.mesh.obj import read_obj

logger = logging.getLogger(__name__)

_FEWEST = 2
"""Least number of cameras that must see a face."""


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
        """Open the neutral of `expression`, given the data set's `cameras.json` and the expression's frame table."""
        dataset = Dataset.open(cameras)
        table = read_chosen_frames(frames)
        name = table.loc[table["neutral"], "frame"].item()
        frame = dataset.frame(f"{expression}/{name}")
        mesh = read_obj(frame.folder / f"{name}.obj")
        pose = read_pose(frame.folder / f"{name}_transform.txt")
        return cls(dataset, frame, pose, Surface(mesh.vertices, mesh.faces))

    def scene(self, seen: NDArray[np.float64], canonical: NDArray[np.float64]) -> Scene:
        """Return the scene of what the training cameras see, of the points `seen` by all [C, L, 2]."""
        train = ~self.dataset.cameras.held_out
        return Scene(self.dataset.cameras.train, self.head_to_world, seen[train], self.surface, canonical)

    def seen(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:  # [C, L, 2]
        """Return the pixels at which the training cameras see `positions` [L, 3]; NaN for held-out cameras."""
        projected = project(projections(self.frame.cameras), positions)
        return np.where(self.frame.cameras.held_out[:, None, None], np.nan, projected)


def find(neutral: Neutral, seen: NDArray[np.float64], canonical: NDArray[np.float64]) -> Landmarks:
    """Return the landmarks of a neutral whose cameras see the points `seen` [C, L, 2].

    There are none, with a warning, if fewer than two cameras see a face, or the cameras disagree on its position.

    Args:
        neutral: The neutral frame.
        seen: Points in pixels of each camera, NaN where it sees no face.
        canonical: Points of an average head [L, 3].

    Returns:
        Landmarks, attached to the tracked mesh.
    """
    faces, name = faces_seen(seen), neutral.frame.name
    if faces < _FEWEST:
        logger.warning(
            "%s: %s of the training cameras sees a face, landmarks need two: the capture is not checked, and the "
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


@dataclass(frozen=True)
class Check:
    """Result of checking a capture by the landmarks of its neutral."""

    found: Agreement | None
    """Agreement of the capture with itself; None if no face is seen, or the landmarks are a user's."""
    odd: list[str]
    """Doubts that are worth a look, one sentence each."""
    wrong: list[str]
    """Definite faults: none, or one sentence."""


def check(
    neutral: Neutral, seen: NDArray[np.float64], canonical: NDArray[np.float64], krt: str, image_scale: float
) -> Check:
    """Check that photographs, calibration, tracked mesh and axes of a capture agree, if a face is seen.

    Args:
        neutral: The neutral frame.
        seen: Points in pixels of each camera [C, L, 2].
        canonical: Points of an average head [L, 3].
        krt: Name of the calibration file in messages.
        image_scale: Factor by which the photographs were reduced.

    Returns:
        Agreement, doubts and faults.
    """
    if faces_seen(seen) < _FEWEST:
        return Check(None, off_center(neutral.dataset.cameras), [])
    scene = neutral.scene(seen, canonical)
    try:
        return Check(agreement(scene), check_scene(scene, krt, image_scale), [])
    except InputError as error:
        return Check(agreement(scene), [], [str(error)])


def check_own(
    neutral: Neutral, positions: NDArray[np.float64], canonical: NDArray[np.float64], where: str
) -> Check:  # [L, 3]
    """Check the landmarks that a user provides.

    Args:
        neutral: The neutral frame.
        positions: Positions of the points [L, 3] in head space, NaN where there is none.
        canonical: Points of an average head [L, 3].
        where: Name of the user's file in messages.

    Returns:
        Doubts and faults.
    """
    try:
        return Check(None, check_positions(positions, canonical, neutral.surface, where), [])
    except InputError as error:
        return Check(None, [], [str(error)])


def write_check(path: str | Path, check: Check) -> None:
    """Write the result of a check as JSON and log doubts and faults.

    Args:
        path: The file to write.
        check: The result.
    """
    for sentence in (*check.wrong, *check.odd):
        logger.warning("%s", sentence)
    figures = {}
    if check.found is not None:
        values = {
            "agreeing_fraction": round(check.found.agreeing, 4),
            "reprojection_error_percent_of_height": round(100 * check.found.error, 4),
            "distance_to_tracked_mesh_mm": round(check.found.distance_mm, 3),
        }
        figures = {name: value for name, value in values.items() if np.isfinite(value)}
    document = {**figures, "odd": check.odd, "wrong": check.wrong}
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
