"""Write the raw layout of a Multiface entity: KRT, OBJ, .bin, _transform.txt, and pictures in raw colour."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splatrig.capture.cameras import Cameras
from splatrig.capture.demo.tracked import TrackedMesh

GAIN = np.array([1.4, 1.1, 1.6]) / 1.1
"""The official colour correction of Multiface (data loader of facebookresearch/multiface), which `to_raw` inverts."""
BLACK = 3.0 / 255.0
SLOPE = 0.95 / (1.0 - BLACK)
LIFT = 15.0 / 255.0


def to_raw(displayed: NDArray[np.floating]) -> NDArray[np.floating]:  # [..., 3] in 0..1
    """Return the raw linear values [..., 3] that the official correction shows as `displayed`, clipped to 0..1."""
    return np.clip((np.square(displayed + LIFT) / SLOPE + BLACK) / GAIN, 0.0, 1.0).astype(displayed.dtype)


def write_png(path: str | Path, raw: NDArray[np.floating], noise: NDArray[np.floating] | float = 0.0) -> None:
    """Write raw values [H, W, 3] in 0..1 as 8-bit PNG, `noise` being added in the same unit before rounding."""
    levels = np.clip(np.rint(255.0 * (raw + noise)), 0, 255).astype(np.uint8)
    Image.fromarray(levels).save(path, compress_level=1)


def krt_text(cameras: Cameras, order: NDArray[np.int64]) -> str:
    """Return the content of KRT with the cameras in `order`: name, K, five zeros of distortion, [R|t]."""
    blocks = []
    for index in order:
        rows = [cameras.names[index]]
        rows += [" ".join(f"{value:.8f}" for value in row) for row in cameras.Ks[index]]
        rows += ["0.0 0.0 0.0 0.0 0.0"]
        rows += [" ".join(f"{value:.12f}" for value in row) for row in cameras.viewmats[index][:3]]
        blocks.append("\n".join(rows) + "\n\n")
    return "".join(blocks)


def write_tracked_frame(
    folder: Path,
    frame: str,
    mesh: TrackedMesh,
    vertices: NDArray[np.float64],  # [v, 3]
    pose: NDArray[np.float64],  # [3, 4]
) -> None:
    """Write one frame's `.bin` and `_transform.txt` (head space, head to world) and `.obj` (world), millimetres."""
    head_space = vertices.astype("<f4")
    (folder / f"{frame}.bin").write_bytes(head_space.tobytes())
    lines = "".join(" ".join(f"{value:.10g}" for value in row) + "\n" for row in pose)
    (folder / f"{frame}_transform.txt").write_text(lines, encoding="ascii")
    world = head_space.astype(np.float64) @ pose[:, :3].T + pose[:, 3]
    parts = [f"v {x:.6f} {y:.6f} {z:.6f}\n" for x, y, z in world]
    parts += [f"vt {u:.6f} {v:.6f}\n" for u, v in mesh.uvs]
    for corners, uvs in zip(mesh.faces + 1, mesh.face_uvs + 1, strict=True):
        parts.append("f " + " ".join(f"{corner}/{uv}" for corner, uv in zip(corners, uvs, strict=True)) + "\n")
    (folder / f"{frame}.obj").write_text("".join(parts), encoding="ascii")
