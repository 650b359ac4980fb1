"""Photographs of a run beside renders of the present pose from the same camera."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splatrig.animation.render import lens_blur, picture_cameras, render, to_bytes
from splatrig.dataset.cameras import Cameras, read_cameras
from splatrig.dataset.frames import read_frames
from splatrig.dataset.pose import read_pose
from splatrig.gaussians.gaussians import Gaussians
from splatrig.io.errors import InputError


class Photographs:
    """The photographs of `results/{subject}/dataset`."""

    def __init__(self, results: Path, height: int) -> None:
        """Read cameras and the list of frames; pictures become at most `height` pixels high."""
        self.folder = results / "dataset"
        cameras = read_cameras(self.folder / "cameras.json")
        self._full = cameras
        self.cameras: Cameras = picture_cameras(cameras, min(height, cameras.height))
        table = read_frames(results / "frames.csv")
        self.frames = [f"{row.expression}/{row.frame}" for row in table.itertuples()]
        neutral = table[table["neutral"]].iloc[0]
        self.neutral = f"{neutral['expression']}/{neutral['frame']}"

    def blur_mm2(self, center: NDArray) -> float:
        """Return how far to widen Gaussians around `center` [3] that are seen from any distance; see `lens_blur`."""
        return lens_blur(self._full.in_head_space(self._pose(self.neutral)), center)

    def camera(self, frame: str, name: str) -> Cameras:
        """Return one camera in the head space of a frame `expression/frame`."""
        if frame not in self.frames or name not in self.cameras.names:
            raise InputError(f"photographs: there is no frame {frame} or no camera {name}.")
        return self.cameras.select([self.cameras.names.index(name)]).in_head_space(self._pose(frame))

    def _pose(self, frame: str) -> NDArray[np.float64]:  # [3, 4]
        return read_pose(self.folder / frame / f"{frame.rpartition('/')[2]}_transform.txt")

    def photograph(self, frame: str, name: str) -> NDArray[np.uint8]:  # [H, W, 3]
        """Return a photograph, black outside of the head where the run knows its silhouette."""
        path = self.folder / frame / f"{name}.png"
        if not path.is_file():
            raise InputError(f"{path}: this frame has no photograph from camera {name}; choose another.")
        picture = (
            Image.open(path).convert("RGBA").resize((self.cameras.width, self.cameras.height), Image.Resampling.BOX)
        )
        rgba = np.asarray(picture).astype(np.float32) / 255.0
        return to_bytes(rgba[..., :3] * rgba[..., 3:])

    def beside(self, frame: str, name: str, gaussians: Gaussians) -> NDArray[np.uint8]:  # [H, 2 W, 3]
        """Return the photograph and the render of `gaussians` from the same camera, side by side."""
        rendered = to_bytes(render(gaussians, self.camera(frame, name))[0][0])
        return np.concatenate([self.photograph(frame, name), rendered], axis=1)
