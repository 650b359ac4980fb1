"""TensorBoard event files: losses and metrics as curves, images at the end of a frame."""

import time
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter


class TensorBoardWriter:
    """One run of TensorBoard in a folder; use it as a context manager."""

    def __init__(self, folder: str | Path) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        self._writer = EventFileWriter(str(folder))

    def __enter__(self) -> "TensorBoardWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Add one point to each of several curves; values that are not finite are skipped."""
        summary = Summary(
            value=[
                Summary.Value(tag=tag, simple_value=float(value)) for tag, value in values.items() if np.isfinite(value)
            ]
        )
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))

    def curve(self, tag: str, values: NDArray[np.floating], every: int) -> None:
        """Add the means of every `every` consecutive values (the last group may be shorter)."""
        for first in range(0, len(values), every):
            group = values[first : first + every]
            self.scalars(first + len(group) - 1, {tag: float(group.mean())})

    def picture(self, step: int, tag: str, pixels: NDArray[np.uint8]) -> None:  # pixels [H, W, 3]
        """Add an image, as JPEG: the writer computes a checksum in Python, and a PNG has ten times as many bytes."""
        stream = BytesIO()
        Image.fromarray(pixels).save(stream, format="JPEG", quality=90)
        image = Summary.Image(
            height=pixels.shape[0], width=pixels.shape[1], colorspace=3, encoded_image_string=stream.getvalue()
        )
        summary = Summary(value=[Summary.Value(tag=tag, image=image)])
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
