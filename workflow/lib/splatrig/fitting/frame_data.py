"""One frame as input of a fit: the tracked mesh and the photographs of all cameras, in head space."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from splatrig.dataset.dataset import Dataset, Frame, read_tracked_mesh
from splatrig.dataset.photographs import Photographs, View, on_copy_stream, take_over
from splatrig.io.errors import InputError
from splatrig.mesh.template import Template


@dataclass(frozen=True)
class FrameData(Frame):
    """One frame of the data set: its mesh, and its photographs on the fitting device."""

    vertices: NDArray[np.float64]  # [V, 3]
    """Vertices of the finest level in head space, millimeters."""
    views: tuple[View, ...]
    """Whole photographs with their crops, in the order of `cameras`, which are those that have one."""

    @property
    def device(self) -> torch.device:
        """Device of the photographs."""
        return self.views[0].image.device


class FrameReader:
    """Reads photographs of whole frames onto a device, and the tracked mesh with derived values in a worker process.

    Use it as a context manager, created before the GPU is used. Copies to a GPU overlap with its computation.
    """

    def __init__(
        self,
        dataset: Dataset,
        names: Sequence[str],
        template: Template,
        device: torch.device,
        *,
        workers: int = 1,
        place: Callable[[NDArray[np.float64]], Any] = lambda _: None,
    ) -> None:
        """Read the frames `expression/frame`; `place`, which must be picklable, is called with the vertices of each."""
        frames = [frame.photographed for frame in dataset.frames(names)]
        empty = next((frame for frame in frames if not len(frame.cameras)), None)
        if empty is not None:
            raise InputError(f"{empty.folder}: expected photographs of the frame, got none; restructure it again.")

        def per_frame(index: int) -> tuple[NDArray[np.float64], Any]:
            vertices = template.up @ read_tracked_mesh(frames[index].folder, template)
            return vertices, place(vertices)

        self._photographs = Photographs(
            frames, device, plates=dataset.plates, cropped=False, workers=workers, per_frame=per_frame
        )

    def read(self, index: int) -> tuple[FrameData, Any]:
        """Return a frame and the result of `place`; raise InputError naming a file that is missing or broken."""
        device = self._photographs.device
        computed = self._photographs.compute(index)
        with on_copy_stream(device, wait=True):
            views = self._photographs.views(index)
        take_over(device, views)
        vertices, placed = computed.result()
        return FrameData(**vars(self._photographs.frames[index]), vertices=vertices, views=views), placed

    def __enter__(self) -> "FrameReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._photographs.close()
