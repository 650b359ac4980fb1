"""Write the frames of a Multiface entity in its raw layout: OBJ, .bin, _transform.txt, and images in raw color."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splatrig.capture.color import BLACK, GAIN, LIFT, SLOPE
from splatrig.capture.demo.tracked import TrackedMesh
from splatrig.mesh.obj import write_obj


def to_raw(displayed: NDArray[np.floating]) -> NDArray[np.floating]:  # [..., 3] in 0..1
    """Return the raw linear values [..., 3] that `multiface_gamma` shows as `displayed`, clipped to 0..1."""
    return np.clip((np.square(displayed + LIFT) / SLOPE + BLACK) / GAIN, 0.0, 1.0).astype(displayed.dtype)


def write_png(path: str | Path, raw: NDArray[np.floating], noise: NDArray[np.floating] | float = 0.0) -> None:
    """Write raw values [H, W, 3] or a matte [H, W] in 0..1 as 8-bit PNG, after adding `noise` in the same unit."""
    levels = np.clip(np.rint(255.0 * (raw + noise)), 0, 255).astype(np.uint8)
    Image.fromarray(levels).save(path, compress_level=1)


def write_tracked_frame(
    folder: Path,
    frame: str,
    mesh: TrackedMesh,
    vertices: NDArray[np.float64],  # [v, 3]
    pose: NDArray[np.float64],  # [3, 4]
) -> None:
    """Write one frame's `.bin` and `_transform.txt` (head space, head to world) and `.obj` (world), millimeters."""
    head_space = vertices.astype("<f4")
    (folder / f"{frame}.bin").write_bytes(head_space.tobytes())
    lines = "".join(" ".join(f"{value:.10g}" for value in row) + "\n" for row in pose)
    (folder / f"{frame}_transform.txt").write_text(lines, encoding="ascii")
    world = head_space.astype(np.float64) @ pose[:, :3].T + pose[:, 3]
    write_obj(folder / f"{frame}.obj", world, mesh.faces, mesh.uvs, mesh.face_uvs)
