"""Regions of the head by pixel of a photograph, from the capture's labels or from mesh and landmarks."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatrig.capture.labels import LABELS, read_labels
from splatrig.capture.layout import CaptureLayout
from splatrig.capture.lenses import Lenses
from splatrig.dataset.cameras import Cameras
from splatrig.dataset.dataset import Dataset, read_tracked_mesh
from splatrig.dataset.decoding import read_photograph
from splatrig.dataset.regions import MEMBERS, REGIONS, Region, RegionFolder
from splatrig.jobs.progress import track
from splatrig.landmarks.rims import Rims, inside_rims
from splatrig.mesh.silhouette import silhouette
from splatrig.mesh.template import Template

Labels = Callable[[str, str], NDArray[np.uint8] | None]
"""Function that returns the labels [H, W] of the photograph of a frame `expression/frame` from a camera; None if it has
none."""

logger = logging.getLogger(__name__)


def labels_of(layout: CaptureLayout, cameras: Cameras) -> Labels:
    """Return the function that reads the labels of a capture at the size of `cameras`."""
    lenses = Lenses(layout.calibration(), cameras)

    def read(frame: str, camera: str) -> NDArray[np.uint8] | None:
        place = (frame.split("/")[0], camera, frame.split("/")[1])
        path = layout.labels(*place)
        if not path.is_file():
            return None
        index = cameras.names.index(camera)
        return lenses.undo(read_labels(path, layout.image(*place), *cameras.size_of(index)), index, mix=False)

    return read


def no_labels(_frame: str, _camera: str) -> None:
    """Return None: the labels of a photograph of a capture without labels."""


@dataclass(frozen=True)
class Shown:
    """Matte and mesh coverage of a photograph."""

    matte: NDArray[np.bool_]  # [H, W]
    covered: NDArray[np.bool_]  # [H, W]
    """Pixels that the tracked mesh covers, seen from this camera."""

    @property
    def flags(self) -> NDArray[np.uint8]:  # [H, W]
        """The regions that follow from matte and mesh: `whole` in the matte, `beyond` in it but off the mesh."""
        flags = np.where(self.matte, int(Region.WHOLE), 0)
        if not self.matte.all():
            flags[self.matte & ~self.covered] |= int(Region.BEYOND)
        return flags.astype(np.uint8)

    def with_labels(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:  # [H, W] both
        """Return the flags of the pixels by labels of the capture."""
        meanings = np.array([0 if region is None else int(region) for region in LABELS], dtype=np.uint8)
        return self.flags | np.where(self.matte, meanings[labels], 0).astype(np.uint8)

    def with_openings(self, mouth: NDArray[np.bool_], eyes: NDArray[np.bool_]) -> NDArray[np.uint8]:  # [H, W] all
        """Return the flags of the pixels by the openings of mouth and eyes, for captures without labels.

        The rest of the mesh counts as skin; hair is unknown.
        """
        flags = self.flags
        flags[mouth & self.matte] |= int(Region.MOUTH)
        flags[eyes & self.matte & ~mouth] |= int(Region.EYES)
        flags[self.matte & self.covered & ~mouth & ~eyes] |= int(Region.SKIN)
        return flags


def write_regions(
    target: RegionFolder,
    dataset: Dataset,
    frames: Sequence[str],
    template: Template,
    rims: Rims,
    labels: Labels = no_labels,
    *,
    labeled: bool = False,
    threads: int = 1,
) -> NDArray[np.int64]:  # [F, R]
    """Write the regions of the photographs of `frames` (`expression/frame`) from all cameras of a data set.

    Args:
        target: Folder that receives the images of flags.
        dataset: Data set with the photographs.
        frames: Names of the frames.
        template: Faces of the tracked mesh.
        rims: Openings of mouth and eyes, which decide the parts without labels.
        labels: Function that returns the labels of a photograph.
        labeled: Whether labels alone decide the parts; photographs without them have only `whole` and `beyond`.
        threads: Number of photographs that are processed at a time.

    Returns:
        Number of pixels of each frame in each of `REGIONS`.
    """
    faces = template.base.faces

    def write_frame(name: str) -> NDArray[np.int64]:  # [R]
        frame = dataset.frame(name).photographed
        vertices = read_tracked_mesh(frame.folder, template)
        counts = np.zeros(len(REGIONS), dtype=np.int64)
        for index, camera in enumerate(frame.cameras.names):
            view = frame.cameras.select([index])
            size = view.width, view.height
            matte = read_photograph(frame.photograph(index), *size)[..., 3] > 127
            covered = silhouette(vertices, faces, view.viewmats[0], view.Ks[0], *size) > 127
            shown, found = Shown(matte, covered), labels(name, camera)
            if found is not None:
                flags = shown.with_labels(found)
            elif labeled:
                flags = shown.flags
            else:
                mouth, eyes = (inside_rims(each, vertices, faces, view) for each in (rims.mouth, rims.eyes))
                flags = shown.with_openings(mouth, eyes)
            target.write(name, camera, flags)
            counts += np.bincount(flags.ravel(), minlength=len(MEMBERS)) @ MEMBERS
        return counts

    with ThreadPoolExecutor(threads) as pool:
        made = list(track(pool.map(write_frame, frames), "regions", unit="frame", total=len(frames)))
    counts = np.array(made).reshape(-1, len(REGIONS))
    total = zip(REGIONS, counts.sum(axis=0).tolist(), strict=True)
    logger.info(
        "regions come from %s; pixels in %d photographs: %s",
        "the capture's labels" if labeled else "the rims of mouth and eyes on the tracked mesh",
        len(frames) * len(dataset.cameras),
        ", ".join(f"{name} {pixels:,}" if pixels else f"{name} not known" for name, pixels in total),
    )
    return counts
