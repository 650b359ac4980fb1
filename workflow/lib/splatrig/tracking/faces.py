"""Faces that the network sees in the photographs of a segment, and their points in space."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splatrig.capture.color import corrected
from splatrig.capture.layout import CaptureLayout
from splatrig.capture.lenses import Lenses
from splatrig.capture.photographs import read_image
from splatrig.dataset.cameras import Cameras
from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path
from splatrig.jobs.progress import track
from splatrig.landmarks.iris import CROP_WIDTHS, IrisFinder
from splatrig.landmarks.locate import camera_weights, tolerance_px
from splatrig.landmarks.network import Crop, FaceFinder
from splatrig.landmarks.one_face import same_face
from splatrig.landmarks.points import LIDS, POINTS
from splatrig.landmarks.triangulate import projections, triangulate
from splatrig.tracking.shots import photographed_frames

LID_ROWS: NDArray[np.int64] = np.array([POINTS.index(point) for contour in LIDS.values() for point in contour])
"""Rows of the points around the openings of the lids, right then left, in arrays of landmarks."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SegmentFaces:
    """Faces and lids that the networks see in a segment."""

    frames: tuple[str, ...]
    """Names of the frames in time order."""
    cameras: tuple[str, ...]
    seen: NDArray[np.float32]  # [F, C, L, 2]
    """Points in fractions of width and height of the photograph; NaN where no face was seen."""
    lids: NDArray[np.float32]  # [F, C, M, 2]
    """Points of `LID_ROWS` from the network for eyes, which also sees closed lids."""

    def of(self, frame: str, cameras: Cameras) -> NDArray[np.float64]:  # [C, L, 2]
        """Return the points of a frame in pixels of `cameras`; NaN for cameras that were not searched."""
        return self._of(self.seen, frame, cameras)

    def lids_of(self, frame: str, cameras: Cameras) -> NDArray[np.float64]:  # [C, M, 2]
        """Return the points of the lids of a frame in pixels of `cameras`."""
        return self._of(self.lids, frame, cameras)

    def _of(self, points: NDArray[np.float32], frame: str, cameras: Cameras) -> NDArray[np.float64]:
        row = points[self.frames.index(frame)].astype(np.float64)
        nothing = np.full(row.shape[1:], np.nan)
        places = {name: number for number, name in enumerate(self.cameras)}
        found = np.stack([row[places[name]] if name in places else nothing for name in cameras.names])
        return np.asarray(found * cameras.own_sizes[:, None])


def find_faces(
    layout: CaptureLayout,
    segment: str,
    cameras: Cameras,
    finder: FaceFinder,
    eyes: IrisFinder,
    color_table: NDArray[np.uint8],  # [256, 3]
    lenses: Lenses,
) -> SegmentFaces:
    """Find the face in all photographs of a segment; of several faces, the one that the cameras agree on.

    Args:
        layout: Layout of the photographs.
        segment: Name of the segment.
        cameras: Cameras at the full size of their photographs.
        finder: Networks that find the points of a face.
        eyes: Network that finds the lids.
        color_table: Color correction [256, 3].
        lenses: Removal of lens distortion.

    Returns:
        Faces and lids by frame and camera.

    Raises:
        InputError: A photograph is damaged; names it.
    """
    names = cameras.names
    frames = photographed_frames(layout, segment, names)
    if not frames:
        raise InputError(f"{layout.root}/images/{segment}: expected photographs, got none; check capture.root.")
    seen = np.full((len(frames), len(cameras), len(POINTS), 2), np.nan, dtype=np.float32)
    lids = np.full((len(frames), len(cameras), len(LID_ROWS), 2), np.nan, dtype=np.float32)
    photographs = several = 0
    for row, frame in enumerate(track(frames, segment, unit="frame", total=len(frames))):
        faces_of: list[list[NDArray[np.float64]]] = [[] for _ in names]
        for column, name in enumerate(names):
            path = layout.image(segment, name, frame)
            if not path.is_file():
                continue
            photographs += 1
            image = corrected(np.asarray(read_image(path)), color_table)
            pixels = lenses.undo(image, column)
            for points in finder.find_all(np.ascontiguousarray(pixels)):
                faces_of[column].append(np.concatenate([points[list(POINTS)], find_lids(pixels, points, eyes)]))
            several += len(faces_of[column]) > 1
        for column, face in enumerate(same_face(cameras, faces_of)):
            if face is not None:
                own = face / cameras.own_sizes[column]
                seen[row, column], lids[row, column] = own[: len(POINTS)], own[len(POINTS) :]
    faces = int(np.isfinite(seen).all(axis=(2, 3)).sum())
    logger.info("%s: a face in %d of %d photographs of %d frames", segment, faces, photographs, len(frames))
    if several:
        logger.warning(
            "%s: %d of %d photographs show more than one face; the one that cameras agree on and that is largest in "
            "them is tracked: look at tracking/tracking.png, and cover posters and mirrors if it is the wrong one",
            *(segment, several, photographs),
        )
    return SegmentFaces(frames, names, seen, lids)


def find_lids(
    pixels: NDArray[np.uint8],  # [H, W, 3]
    points: NDArray[np.float64],  # [468, 2]
    eyes: IrisFinder,
) -> NDArray[np.float64]:  # [M, 2]
    """Return the points of both lids in a photograph in which a face has `points`, in pixels."""
    image, found = Image.fromarray(pixels), []
    for name, contour in LIDS.items():
        ends = points[[contour[0], contour[len(contour) // 2]]]
        along = (ends[1] - ends[0]) * (1.0 if name == "right eye" else -1.0)
        width = float(np.linalg.norm(along))
        crop = Crop(ends.mean(axis=0), max(CROP_WIDTHS * width, 1.0), float(np.arctan2(along[1], along[0])))
        lids, _ = eyes.find(crop.pixels(image, eyes.size), right=name == "right eye")
        matrix = crop.to_photograph(eyes.size)
        found.append(lids @ matrix[:, :2].T + matrix[:, 2])
    return np.concatenate(found)


def locate_lids(
    faces: SegmentFaces, frame: str, cameras: Cameras, canonical: NDArray[np.float64]
) -> NDArray[np.float64]:  # [M, 3]
    """Return the points of the lids in space, from cameras that look into the face; NaN where no two agree."""
    seen = faces.lids_of(frame, cameras)
    weights = camera_weights(faces.of(frame, cameras), canonical)
    return triangulate(
        projections(cameras), seen, tolerance_px(cameras.height), np.repeat(weights[:, None], seen.shape[1], axis=1)
    ).positions


def write_faces(path: str | Path, faces: SegmentFaces) -> None:
    """Write the faces of a segment as a compressed .npz.

    Args:
        path: The file to write.
        faces: The faces.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream, frames=np.array(faces.frames), cameras=np.array(faces.cameras), seen=faces.seen, lids=faces.lids
        )


def read_faces(path: str | Path) -> SegmentFaces:
    """Read the faces of a segment that `write_faces` wrote."""
    with np.load(path) as data:
        return SegmentFaces(tuple(data["frames"].tolist()), tuple(data["cameras"].tolist()), data["seen"], data["lids"])
