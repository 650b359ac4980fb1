"""Background plates: what each camera sees behind the head, from the frames themselves."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray
from PIL import Image

from splatrig.capture.photographs import read_image
from splatrig.dataset.cameras import Cameras
from splatrig.dataset.pose import read_pose
from splatrig.io.errors import InputError
from splatrig.jobs.progress import track
from splatrig.mesh.ply import read_ply
from splatrig.mesh.silhouette import silhouette

Number = TypeVar("Number", bound=np.generic)

MARGIN = 0.03
"""Fraction of the image's height by which silhouettes are dilated: for hair, and for errors of the tracking."""
MOST_FRAMES = 40
"""Frames that enter the median, equally spaced: more of them change a plate by less than a gray level."""
_STRIP = 64
"""Image rows whose median is taken at once, to bound memory."""


def temporal_median(
    photographs: NDArray[np.uint8],  # [F, H, W, 3]
    hidden: NDArray[np.bool_],  # [F, H, W] True where the head is, or may be
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:  # [H, W, 3], [H, W]
    """Return the median over frames of the pixels that are not hidden, and where there is any."""
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


def filled(plate: NDArray[Number], seen: NDArray[np.bool_]) -> NDArray[Number]:
    """Return `plate` [H, W, c] with each unseen pixel replaced by the nearest seen one; black if there is none."""
    if not seen.any():
        return np.zeros_like(plate)
    nearest = scipy.ndimage.distance_transform_edt(~seen, return_distances=False, return_indices=True)
    return plate[nearest[0], nearest[1]]


def write_plates(
    frames: Sequence[Path],
    cameras: Cameras,
    target: Path,
    *,
    margin: float = MARGIN,
    most_frames: int = MOST_FRAMES,
    threads: int = 1,
) -> None:
    """Write `{camera}.png` below `target`: each camera's temporal median outside the dilated silhouettes.

    `frames` are folders of the data set, of which at most `most_frames`, equally spaced, are used. The silhouettes are
    dilated by `margin` of the image's height, for hair and for errors of the tracking. Raises InputError when a camera
    has no image.
    """
    picked = [
        frames[i] for i in sorted({int(i) for i in np.linspace(0, len(frames) - 1, min(most_frames, len(frames)))})
    ]
    meshes = [read_ply(frame / f"{frame.name}.ply") for frame in picked]
    views = [cameras.in_head_space(read_pose(frame / f"{frame.name}_transform.txt")) for frame in picked]
    width, height = cameras.width, cameras.height

    def write_one(row: int) -> None:
        camera = cameras.names[row]
        used = [i for i, frame in enumerate(picked) if (frame / f"{camera}.png").is_file()]
        if not used:
            raise InputError(f"plates: camera {camera} has no image in the {len(picked)} frames looked at.")
        photographs = np.stack([np.asarray(read_image(picked[i] / f"{camera}.png")) for i in used])
        hidden = np.empty(photographs.shape[:3], dtype=bool)
        for k, i in enumerate(used):
            view = views[i]
            vertices = meshes[i].vertices.astype(np.float64)
            alpha = silhouette(vertices, meshes[i].faces, view.viewmats[row], view.Ks[row], width, height)
            hidden[k] = dilated(alpha > 0, margin * height)
        Image.fromarray(filled(*temporal_median(photographs, hidden))).save(target / f"{camera}.png")

    with ThreadPoolExecutor(max_workers=threads) as pool:
        for _ in track(pool.map(write_one, range(len(cameras))), "plates", unit="camera", total=len(cameras)):
            pass


def dilated(mask: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    """Return `mask` [H, W] grown by `radius` pixels, round at its corners."""
    if not mask.any():
        return mask
    return np.asarray(scipy.ndimage.distance_transform_edt(~mask)) <= radius
