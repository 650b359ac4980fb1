"""Zip archives that are read in place: an index of their frames, and the content of a frame.

Releases keep the images of a camera in one archive, stored without compression. An index of frame numbers and offsets
takes 28 bytes per member, the objects of `zipfile` take twenty times as much, and a capture has a million members.
"""

import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.io.errors import InputError

_FRAME = re.compile(r"(?:.*/)?(\d+)\.[a-z]+")
"""Pattern of a member that belongs to a frame, in any folder."""
_LOCAL_HEADER = struct.Struct("<4s22x2H")
_SIGNATURE = b"PK\x03\x04"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class Member:
    """One member of an archive."""

    archive: Path
    name: str
    offset: int
    """Offset of the local header in bytes."""
    size: int
    """Size of the stored data in bytes."""
    crc: int
    deflated: bool

    def __str__(self) -> str:
        return f"{self.archive}/{self.name}"

    def read_bytes(self) -> bytes:
        """Return the content; raise InputError when the archive is cut short or damaged there."""
        with self.archive.open("rb") as stream:
            stream.seek(self.offset)
            header = stream.read(_LOCAL_HEADER.size)
            signature, *lengths = _LOCAL_HEADER.unpack(header.ljust(_LOCAL_HEADER.size))
            stream.seek(sum(lengths), 1)
            stored = stream.read(self.size)
        try:
            content = zlib.decompress(stored, -zlib.MAX_WBITS) if self.deflated else stored
        except zlib.error:
            content = b""
        if signature != _SIGNATURE or zlib.crc32(content) != self.crc:
            raise InputError(f"{self}: is damaged, or the archive is cut short; copy or download it again.")
        return content


class FrameZip:
    """The members of an archive that are named after frames: `{frame}.ext`, in any folder."""

    def __init__(self, path: Path) -> None:
        """Read the archive's index; raise InputError if it has none, as an empty or truncated file."""
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                infos = archive.infolist()
        except (zipfile.BadZipFile, OSError) as error:
            raise InputError(
                f"{path}: cannot be read as a zip archive ({error}); copy or download it again."
            ) from error
        rows = sorted(
            (int(match[1]), info.header_offset, info.compress_size, info.CRC, info.compress_type)
            for info in infos
            if (match := _FRAME.fullmatch(info.filename)) and info.compress_type in _METHODS
        )
        table = np.array(rows, dtype=np.int64).reshape(-1, 5)
        self.frames: NDArray[np.int64] = table[:, 0]  # sorted
        self._members = table[:, 1:]
        self._pattern = next((info.filename for info in infos if _FRAME.fullmatch(info.filename)), "")

    def member(self, frame: int) -> Member | None:
        """Return the member of a frame, or None."""
        row = int(np.searchsorted(self.frames, frame))
        if row == len(self.frames) or self.frames[row] != frame:
            return None
        offset, size, crc, method = self._members[row].tolist()
        digits = _FRAME.fullmatch(self._pattern)
        assert digits is not None  # the frame exists, so one of the names does
        name = f"{self._pattern[: digits.start(1)]}{frame:0{len(digits[1])}d}{self._pattern[digits.end(1) :]}"
        return Member(self.path, name, offset, size, crc, method == zipfile.ZIP_DEFLATED)
