"""Photographs of a run beside renders of the present pose from the same camera."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splatrig.animation.render import lens_blur, picture_cameras, render, to_bytes
from splatrig.dataset.cameras import Cameras
from splatrig.dataset.dataset import Dataset
from splatrig.dataset.decoding import read_photograph
from splatrig.dataset.frames import names_of, neutral_name, read_frames
from splatrig.gaussians.gaussians import Gaussians
from splatrig.io.errors import InputError


class Photographs:
    """The photographs of `results/{subject}/dataset`."""

    def __init__(self, results: Path, height: int) -> None:
        """Read cameras and the list of frames; pictures become at most `height` pixels high."""
        self._dataset = Dataset.open(results / "dataset" / "cameras.json")
        cameras = self._dataset.cameras
        self.cameras: Cameras = picture_cameras(cameras, min(height, cameras.height))
        table = read_frames(results / "frames.csv")
        self.frames, self._neutral = names_of(table), neutral_name(table)

    def blur_mm2(self, center: NDArray) -> float:
        """Return how far to widen Gaussians around `center` [3] that are seen from any distance; see `lens_blur`."""
        return lens_blur(self._dataset.frame(self._neutral).cameras, center)

    def camera(self, frame: str, name: str) -> Cameras:
        """Return one camera in the head space of a frame `expression/frame`."""
        if frame not in self.frames or name not in self.cameras.names:
            raise InputError(f"photographs: there is no frame {frame} or no camera {name}.")
        shown = replace(self._dataset, cameras=self.cameras.select([self.cameras.names.index(name)]))
        return shown.frame(frame).cameras

    def photograph(self, frame: str, name: str) -> NDArray[np.uint8]:  # [H, W, 3]
        """Return a photograph, black outside of the head where the run knows its silhouette."""
        cameras = self._dataset.cameras
        path = self._dataset.frame(frame).photograph(cameras.names.index(name))
        picture = Image.fromarray(read_photograph(path, cameras.width, cameras.height)).resize(
            (self.cameras.width, self.cameras.height), Image.Resampling.BOX
        )
        rgba = np.asarray(picture).astype(np.float32) / 255.0
        return to_bytes(rgba[..., :3] * rgba[..., 3:])

    def beside(self, frame: str, name: str, gaussians: Gaussians) -> NDArray[np.uint8]:  # [H, 2 W, 3]
        """Return the photograph and the render of `gaussians` from the same camera, side by side."""
        rendered = to_bytes(render(gaussians, self.camera(frame, name))[0][0])
        return np.concatenate([self.photograph(frame, name), rendered], axis=1)
