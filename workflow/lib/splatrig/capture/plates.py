"""Background plates: images of the empty stage per camera, photographed or computed from the frames themselves."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from splatrig.capture.cells import grown_to_pixels, reduced
from splatrig.capture.color import correction_table
from splatrig.capture.difference import Plate
from splatrig.capture.frame_files import FrameFiles
from splatrig.capture.frame_selection import neutral_frame
from splatrig.capture.layout import photograph_in
from splatrig.capture.lenses import Lenses
from splatrig.capture.nearest import filled
from splatrig.capture.photographs import image_size, read_photograph, write_photograph
from splatrig.capture.reader import Reader
from splatrig.capture.tracked import TrackedFrame
from splatrig.config.choices import ColorCorrection
from splatrig.dataset.cameras import Cameras, scaled_size
from splatrig.dataset.decoding import read_photograph as read_rgba
from splatrig.io.errors import InputError
from splatrig.io.files import File
from splatrig.jobs.progress import track
from splatrig.mesh.silhouette import silhouette

MARGIN_MM = 5.0
"""Distance from the tracked mesh within which nothing counts as background, to allow for tracking errors."""
FAR_MM = 40.0
"""Distance beyond which all frames show the stage equally well: hair does not reach so far."""
NEAREST_FRAMES = 3
"""Number of frames, those with the head farthest from a pixel, whose median is that pixel of a plate."""
MOST_FRAMES = 40
"""Maximum number of frames that are read, equally spaced: more of them change a plate by less than a gray level."""
_STEPS_A_MM = 4
"""Steps per millimeter of the distances, which are stored in 8 bits."""
_STRIP = 64
"""Number of image rows whose median is computed at once, to bound memory."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PlateSource:
    """Source of plates: the capture, and how its photographs are converted to those of the data set."""

    capture: Reader
    cameras: Cameras
    """The cameras of `calibration.json`."""
    image_scale: float
    color: ColorCorrection | None

    @cached_property
    def lenses(self) -> Lenses:
        """Removal of lens distortion from images."""
        return Lenses(self.capture.calibration(), self.cameras)

    def read(self, path: File, camera: int) -> NDArray[np.uint8]:  # [H, W, 3]
        """Return a photograph of camera number `camera` as the data set has it."""
        size = self.cameras.size_of(camera)
        return self.lenses.undo(read_photograph(path, *size, self.image_scale, correction_table(self.color)), camera)


def take_plates(source: PlateSource, given: Path, target: Path) -> None:
    """Write `{camera}.png` below `target` from the photographs of the empty stage in `given`; all pixels are known.

    Args:
        source: The capture and its cameras.
        given: Folder with one photograph of the empty stage per camera.
        target: Folder that receives the plates.

    Raises:
        InputError: A plate is missing, unreadable, or of another size than the photographs; names it.
    """
    cameras = source.cameras
    files = {name: photograph_in(given, name) for name in cameras.names}
    missing = [name for name, path in files.items() if not path.is_file()]
    if missing:
        raise InputError(
            f"{given}: no plate of camera {', '.join(missing)}, expected {{camera}}.png of all "
            f"{len(cameras)} cameras; photograph the empty stage with it, leave the camera out (capture.cameras), or "
            "remove the folder to have plates computed from the frames."
        )
    for index, name in enumerate(cameras.names):
        path = files[name]
        size, expected = image_size(path), cameras.size_of(index)
        if scaled_size(*size, source.image_scale) != expected:
            raise InputError(
                f"{path}: expected a plate as large as the photographs, {expected[0]}×{expected[1]} pixels at "
                f"capture.image_scale {source.image_scale:g}, got {size[0]}×{size[1]}; take it with the settings of "
                "the capture, or remove the folder to have plates computed from the frames."
            )
        write_photograph(target / f"{name}.png", source.read(path, index), _alpha(np.array(True), cameras, index))
    logger.info("plates are the capture's photographs of the empty stage, of %d cameras", len(cameras))


def compute_plates(
    source: PlateSource, expressions: Sequence[str], neutral: str, target: Path, *, threads: int = 1
) -> None:
    """Write `{camera}.png` below `target`, computed from at most `MOST_FRAMES` tracked frames of `expressions`.

    Each pixel is the median of the frames in which the tracked mesh is farthest from it. Alpha is 255 where the stage
    is known in this way; elsewhere the color is that of the nearest known pixel.

    Args:
        source: The capture and its cameras.
        expressions: Expressions whose frames are used.
        neutral: The expression whose first frame has the topology of all frames.
        target: Folder that receives the plates.
        threads: Number of cameras that are computed at a time.

    Raises:
        InputError: A camera has no image, or a mesh or photograph cannot be read.
    """
    cameras = source.cameras
    frames = _tracked_frames(source.capture, expressions, cameras.names)
    tracking = source.capture.tracker(neutral_frame(source.capture, neutral, frames))
    tracked = [tracking.read(files) for files in frames]
    faces = tracking.topology.pruning.faces

    def write_one(row: int) -> float:
        camera = cameras.names[row]
        used = [k for k, files in enumerate(frames) if camera in files.cameras]
        if not used:
            raise InputError(
                f"plates: camera {camera} has no image in the {len(frames)} frames that plates are computed from; "
                "leave it out (capture.cameras)."
            )
        paths = [source.capture.image(frames[k].segment, camera, frames[k].frame) for k in used]
        photographs = np.stack([source.read(path, row) for path in paths])
        clearance = np.stack([_clearance(tracked[k], faces, cameras.select([row])) for k in used])
        plate, known = temporal_median(photographs, hidden_by(clearance, NEAREST_FRAMES, MARGIN_MM * _STEPS_A_MM))
        write_photograph(target / f"{camera}.png", filled(plate, known), _alpha(known, cameras, row))
        return float(known.mean())

    with ThreadPoolExecutor(max_workers=threads) as pool:
        parts = list(track(pool.map(write_one, range(len(cameras))), "plates", unit="camera", total=len(cameras)))
    logger.info(
        "plates are medians of the frames in which the head is farthest, of %d frames; the stage is known in %.0f %% "
        "of a photograph, %.0f %% in camera %s",
        *(len(frames), 100 * np.mean(parts), 100 * min(parts), cameras.names[int(np.argmin(parts))]),
    )


def read_plates(folder: Path, cameras: Cameras) -> list[Plate]:
    """Read the plates of all cameras, as `take_plates` and `compute_plates` write them."""
    images = [read_rgba(folder / f"{name}.png", cameras.width, cameras.height) for name in cameras.names]
    return [Plate(np.ascontiguousarray(image[..., :3]), image[..., 3] > 127) for image in images]


def hidden_by(
    clearance: NDArray[np.uint8],  # [F, H, W] distance from the head, 0 on it
    count: int,
    margin: float,
) -> NDArray[np.bool_]:  # [F, H, W]
    """Return where a frame does not show the stage: within `margin`, or unless among the `count` farthest ones."""
    threshold = np.empty(clearance.shape[1:], dtype=np.uint8)
    kth = max(0, len(clearance) - count)
    for start in range(0, len(threshold), _STRIP):
        rows = slice(start, start + _STRIP)
        threshold[rows] = np.partition(clearance[:, rows], kth, axis=0)[kth]
    return np.asarray((clearance < threshold) | (clearance <= margin))


def temporal_median(
    photographs: NDArray[np.uint8],  # [F, H, W, 3]
    hidden: NDArray[np.bool_],  # [F, H, W] True where the head is, or may be
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:  # [H, W, 3], [H, W]
    """Return the median over frames of the pixels that are not hidden, and where there is at least one."""
    frames, height, width = hidden.shape
    plate = np.zeros((height, width, 3), dtype=np.uint8)
    seen = np.asarray((~hidden).any(axis=0))
    for start in range(0, height, _STRIP):
        rows = slice(start, start + _STRIP)
        values = np.where(hidden[:, rows, :, None], np.uint16(256), photographs[:, rows].astype(np.uint16))
        values.sort(axis=0)  # hidden ones last
        count = np.maximum((~hidden[:, rows]).sum(axis=0), 1)[None, :, :, None]
        lower = np.take_along_axis(values, (count - 1) // 2, axis=0)[0]
        upper = np.take_along_axis(values, np.minimum(count // 2, frames - 1), axis=0)[0]
        middle = ((lower + upper + 1) // 2).astype(np.uint8)
        plate[rows] = np.where(seen[rows, :, None], middle, 0)
    return plate, seen


def _tracked_frames(capture: Reader, expressions: Sequence[str], cameras: Sequence[str]) -> list[FrameFiles]:
    """Return the frames to read: those with mesh and pose, equally spaced over all expressions."""
    frames = [
        files
        for expression in expressions
        for files in capture.frames(expression, cameras)
        if files.mesh and files.pose and files.cameras
    ]
    if not frames:
        raise InputError(
            f"{capture.root}: no frame has a mesh, a pose and an image, from which plates are computed; complete the "
            "capture."
        )
    picked = np.unique(np.linspace(0, len(frames) - 1, min(MOST_FRAMES, len(frames))).astype(int))
    return [frames[k] for k in picked]


def _clearance(tracked: TrackedFrame, faces: NDArray[np.int64], camera: Cameras) -> NDArray[np.uint8]:  # [H, W]
    """Return each pixel's distance from the mesh, in `_STEPS_A_MM` at the head's depth and at most `FAR_MM`."""
    view = camera.in_head_space(tracked.head_to_world)
    alpha = silhouette(tracked.vertices, faces, view.viewmats[0], view.Ks[0], view.width, view.height)
    if not alpha.any():
        return np.full(alpha.shape, int(FAR_MM * _STEPS_A_MM), dtype=np.uint8)
    pixel_mm = view.pixel_size(tracked.vertices.mean(axis=0))
    size = max(1, int(1.0 / pixel_mm))
    cells = scipy.ndimage.distance_transform_edt(~reduced(alpha > 0, size)) * (size * pixel_mm)
    steps = (np.minimum(cells, FAR_MM) * _STEPS_A_MM).astype(np.uint8)
    return grown_to_pixels(steps, size, alpha.shape)


def _alpha(known: NDArray[np.bool_], cameras: Cameras, camera: int) -> NDArray[np.uint8]:  # [H, W] or [] -> [H, W]
    """Return known pixels as an alpha channel, 0 where the camera has photographed nothing."""
    everywhere = np.broadcast_to(known, (cameras.height, cameras.width))
    return cameras.framed(np.where(everywhere, 255, 0).astype(np.uint8), camera)
