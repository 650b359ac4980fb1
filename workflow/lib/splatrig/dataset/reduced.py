"""Reduced photographs of a frame, `{frame}_reduced.npz`, for fast checks of all photographs of a capture.

They are written when photographs are decoded anyway, with a digest that tells equal photographs from similar ones, and
with the tracked meshes just before and after the frame, which the data set need not have.
"""

import hashlib
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splatrig.dataset.cameras import Cameras, scaled_size
from splatrig.io.errors import InputError
from splatrig.io.files import absent, atomic_path

HEIGHT = 256
"""Height of a reduced photograph in pixels, which span about 1.3 mm of a head as Multiface photographs it."""


@dataclass(frozen=True)
class Reduced:
    """One photograph, reduced."""

    gray: NDArray[np.uint8]  # [h, w]
    """Mean of the three channels."""
    matte: NDArray[np.uint8]  # [h, w]
    digest: str
    """Digest of the pixels of the whole photograph: equal photographs have equal digests."""


@dataclass(frozen=True)
class Tracked:
    """A tracked mesh in head space and its pose."""

    frame: str
    vertices: NDArray[np.float64]  # [V, 3] millimeters
    head_to_world: NDArray[np.float64]  # [3, 4]


@dataclass(frozen=True)
class ReducedFrame:
    """The reduced photographs of one frame; cameras without one have a black image and the digest ""."""

    grays: NDArray[np.uint8]  # [C, h, w]
    mattes: NDArray[np.uint8]  # [C, h, w]
    digests: tuple[str, ...]  # C
    meshes: Mapping[int, Tracked]
    """Tracked meshes of the frame itself (0), and of those just before (-1) and after (1) in the capture, if
    tracked."""

    def matte_at(self, camera: int, size: tuple[int, int]) -> NDArray[np.uint8]:  # [h', w']
        """Return a camera's matte at the pixel centers of a smaller image of `size` (height, width)."""
        matte = self.mattes[camera]
        rows, columns = (
            ((np.arange(n) + 0.5) * m / n).astype(np.int64) for n, m in zip(size, matte.shape, strict=True)
        )
        return matte[np.ix_(rows, columns)]


def reduced_cameras(cameras: Cameras) -> Cameras:
    """Return the cameras of reduced photographs, with intrinsics and photographed parts scaled like the images."""
    width, height = scaled_size(cameras.width, cameras.height, min(1.0, HEIGHT / cameras.height))
    factors = np.array([width / cameras.width, height / cameras.height])
    sizes = None if cameras.sizes is None else np.maximum(np.floor(factors * cameras.sizes), 1).astype(np.int64)
    Ks = np.diag([*factors, 1.0]) @ cameras.Ks
    return replace(cameras, Ks=Ks, width=width, height=height, sizes=sizes)


def reduced(rgb: NDArray[np.uint8], matte: NDArray[np.uint8], size: tuple[int, int]) -> Reduced:
    """Return a photograph [H, W, 3] and its matte [H, W], reduced to `size` (width, height) by area averages."""
    small, cover = (np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX)) for image in (rgb, matte))
    gray = np.rint(small.mean(axis=2)).astype(np.uint8)
    return Reduced(gray, cover, hashlib.sha256(np.ascontiguousarray(rgb).data).hexdigest())


def reduced_path(folder: Path) -> Path:
    """Return the file of the frame in `folder` of a data set."""
    return folder / f"{folder.name}_reduced.npz"


def write_reduced(
    folder: Path,
    size: tuple[int, int],
    photographs: Mapping[int, Reduced],
    count: int,
    meshes: Mapping[int, Tracked],
) -> None:
    """Write the reduced photographs of the frame in `folder`, by camera number, of `count` cameras.

    `size` is their width and height.
    """
    images = np.zeros((2, count, size[1], size[0]), dtype=np.uint8)
    digests = [""] * count
    for camera, each in photographs.items():
        images[0, camera], images[1, camera], digests[camera] = each.gray, each.matte, each.digest
    arrays: dict[str, Any] = {f"vertices{side:+d}": each.vertices.astype(np.float32) for side, each in meshes.items()}
    arrays |= {f"pose{side:+d}": each.head_to_world for side, each in meshes.items()}
    arrays |= {f"frame{side:+d}": np.array(each.frame) for side, each in meshes.items()}
    with atomic_path(reduced_path(folder)) as temporary:
        np.savez_compressed(temporary, grays=images[0], mattes=images[1], digests=np.array(digests), **arrays)


def read_reduced(folder: Path, cameras: Cameras) -> ReducedFrame:
    """Read the reduced photographs of the frame in `folder` of a data set with these cameras, at their full size.

    Raises InputError naming the file when it is missing, damaged or of other cameras.
    """
    path, small = reduced_path(folder), reduced_cameras(cameras)
    with _stored(path) as content:
        meshes = {side: _mesh(content, side) for side in (0, -1, 1) if f"frame{side:+d}" in content}
        frame = ReducedFrame(content["grays"], content["mattes"], tuple(content["digests"].tolist()), meshes)
    expected = (len(cameras), small.height, small.width)
    if frame.grays.shape != expected or frame.mattes.shape != expected or len(frame.digests) != len(cameras):
        raise InputError(
            f"{path}: expected reduced photographs of shape {expected}, got {frame.grays.shape}; delete it and run "
            "again."
        )
    return frame


def read_own_mesh(folder: Path) -> Tracked:
    """Read only the tracked mesh of the frame in `folder`, in float32, less precise than its OBJ file."""
    with _stored(reduced_path(folder)) as content:
        return _mesh(content, 0)


@contextmanager
def _stored(path: Path) -> Iterator[Any]:
    """Yield the arrays of a file; raise InputError naming it when it is missing or damaged."""
    try:
        with np.load(path) as content:
            yield content
    except FileNotFoundError as error:
        raise absent(path) from error
    except (OSError, KeyError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: reduced photographs cannot be read ({error}); delete it and run again.") from error


def _mesh(content: Any, side: int) -> Tracked:
    """Return one of the meshes of a file."""
    vertices = content[f"vertices{side:+d}"].astype(np.float64)
    return Tracked(str(content[f"frame{side:+d}"]), vertices, content[f"pose{side:+d}"])
