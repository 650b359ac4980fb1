"""Figure of the tracked mesh over photographs of the frames that agree least with it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from splatrig.dataset.cameras import Cameras
from splatrig.dataset.pose import read_pose, to_world
from splatrig.io.files import atomic_path
from splatrig.mesh.normals import vertex_normals
from splatrig.mesh.obj import read_obj
from splatrig.tracking.export import least_agreeing
from splatrig.tracking.shots import Shots
from splatrig.tracking.views import depths_of

FRAMES, VIEWS = 4, 4
"""Number of rows and columns of the figure."""
TILE_PX = 420
"""Height of a photograph in the figure."""
STRENGTH = 0.55


def draw_tracking(
    path: str | Path,
    table: pd.DataFrame,
    photographs: Sequence[Shots],
    meshes: Sequence[str | Path],
) -> None:
    """Draw the tracked mesh, half transparent, over the frames with the least agreement, one row per frame.

    Args:
        path: The image file to write.
        table: Quality metrics of all frames.
        photographs: Photographs of each segment.
        meshes: Folders of the tracked meshes of each segment.
    """
    folders = {shots.segment: (shots, Path(mesh)) for shots, mesh in zip(photographs, meshes, strict=True)}
    rows = []
    for segment, frame in least_agreeing(table, FRAMES):
        shots, folder = folders[segment]
        rows.append(np.concatenate(_row(shots, folder, frame), axis=1))
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    with atomic_path(path) as temporary:
        Image.fromarray(np.concatenate(padded)).save(temporary)


def _row(shots: Shots, folder: Path, frame: str) -> list[NDArray[np.uint8]]:
    """Return photographs of a frame, with and without the mesh, from frontal cameras."""
    mesh = read_obj(folder / f"{frame}.obj")
    pose = read_pose(folder / f"{frame}_transform.txt")
    cameras = shots.cameras
    nose = to_world(np.array([[0.0, 0.0, 100.0]]), pose)[0] - pose[:, 3]
    toward = cameras.centers - pose[:, 3]
    facing = (toward @ nose) / np.linalg.norm(toward, axis=1)
    there = [int(camera) for camera in np.argsort(-facing) if shots.has(frame, int(camera))]
    chosen = there[:: max(1, len(there) // (2 * VIEWS))][: VIEWS // 2]
    tiles = []
    for camera in chosen:
        rgb = shots.color(frame, camera)
        tiles += [rgb, _over(rgb, mesh.vertices, mesh.faces, cameras, camera)]
    size = round(TILE_PX * cameras.width / cameras.height), TILE_PX
    return [np.asarray(Image.fromarray(tile).resize(size, Image.Resampling.LANCZOS)) for tile in tiles]


def _over(
    rgb: NDArray[np.uint8],  # [H, W, 3]
    vertices: NDArray[np.float64],  # [V, 3] world
    faces: NDArray[np.int64],  # [T, 3]
    cameras: Cameras,
    camera: int,
) -> NDArray[np.uint8]:  # [H, W, 3]
    """Return a photograph with the shaded mesh over it."""
    P = cameras.Ks[camera] @ cameras.viewmats[camera, :3]
    used, compact = np.unique(faces, return_inverse=True)
    compact = compact.reshape(-1, 3)
    face_at, inside, _ = depths_of(vertices[used], compact, P, cameras.height, cameras.width)
    rows, columns = np.nonzero(face_at >= 0)
    normals = vertex_normals(vertices[used], compact) @ cameras.viewmats[camera, :3, :3].T
    shade = -np.einsum("pc,pc->p", inside[rows, columns], normals[compact[face_at[rows, columns]]][..., 2])
    result = rgb.astype(np.float64)
    color = np.array([120.0, 190.0, 255.0]) * np.clip(shade, 0.0, 1.0)[:, None]
    result[rows, columns] = (1.0 - STRENGTH) * result[rows, columns] + STRENGTH * color
    return np.clip(np.rint(result), 0, 255).astype(np.uint8)
