"""Data of a finished run for the page: cameras, photographs and weights of its frames, and other families."""

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

from splatrig.components.component_file import FORMAT
from splatrig.components.labels import title_of
from splatrig.control.head import Head, open_head
from splatrig.control.web.pack import pack_head
from splatrig.control.web.page import OFFLINE, camera_entries, header_of
from splatrig.dataset.dataset import Dataset
from splatrig.dataset.frames import names_of, neutral_name, read_frames
from splatrig.io.errors import InputError
from splatrig.io.files import unreadable

KEPT = 4
"""Number of families that are kept in memory, open and packed."""


class Run:
    """A finished run. Names come from the page, so each is looked up in a list before it becomes part of a path.

    Its methods may be called from several threads. They raise InputError for anything that the run does not have.
    """

    def __init__(self, results: Path) -> None:
        """Open `results/{subject}`; raise InputError if it has no page or is incomplete."""
        self._results = results
        self._page = results / "control" / "head.html"
        if not self._page.is_file():
            raise InputError(
                f"{results}: control/head.html expected the page of a finished run, got none; make it with snakemake "
                f"--cores 2 {self._page} (control.web_head must be true), or name another run."
            )
        self._dataset = Dataset.open(results / "dataset" / "cameras.json")
        table = read_frames(results / "frames.csv")
        self._frames, self._neutral = names_of(table), neutral_name(table)
        files = (results / "components").glob("*/*.h5")
        self._families = sorted({path.stem for path in files if _moves_centers(path)})
        self._one_at_a_time = Lock()  # concurrent requests open and pack a family once
        self._head, self._packed = lru_cache(KEPT)(self._open), lru_cache(KEPT)(self._pack)

    def page(self) -> bytes:
        """Return the current page, with webcam input if that was made.

        Its policy allows connections to this server, which the page on disk does not.
        """
        webcam = self._page.with_name("head_webcam.html")
        page = webcam if webcam.is_file() and webcam.stat().st_mtime >= self._page.stat().st_mtime else self._page
        served = OFFLINE.replace("connect-src", "connect-src 'self'")
        return _content(page).replace(OFFLINE.encode(), served.encode(), 1)

    def about(self) -> dict[str, Any]:
        """Return the frames and families that the page may request."""
        families = [{"name": name, "title": title_of(name)} for name in self._families]
        return {"frames": self._frames, "families": families}

    def cameras(self, frame: str) -> list[dict[str, Any]]:
        """Return the cameras of the frame `expression/frame`, in the head space of that frame."""
        return camera_entries(self._dataset.frame(_known(frame, self._frames, "frame")).photographed.cameras)

    def photograph(self, frame: str, camera: str) -> bytes:
        """Return the photograph of a frame as PNG, transparent outside its matte."""
        number = self._dataset.cameras.names.index(_known(camera, self._dataset.cameras.names, "camera"))
        return _content(self._dataset.frame(_known(frame, self._frames, "frame")).photograph(number))

    def weights(self, family: str, frame: str) -> list[float]:
        """Return the weights [K] of a frame that the family was made from."""
        with self._one_at_a_time:
            components = self._head(family).families[family].rig.components
        if frame not in components.frames:
            raise InputError(
                f"frame {frame[:80]!r}: expected one of the {len(components.frames)} that {family} was made from, got "
                "another; choose one of these, or another family."
            )
        weights: list[float] = components.W[components.frames.index(frame)].tolist()
        return weights

    def family(self, family: str) -> bytes:
        """Return a head of one family on its own base: the length of its header (4 bytes), the header, the arrays."""
        with self._one_at_a_time:
            return self._packed(family)

    def _open(self, family: str) -> Head:
        return open_head(self._results, [_known(family, self._families, "family")])

    def _pack(self, family: str) -> bytes:
        head = self._head(family)
        cameras = self._dataset.frame(self._neutral).cameras
        packed = pack_head(head, cameras.pixel_size(head.base.means.mean(axis=0)))
        header, blob = header_of(head, packed, cameras, {})
        text = json.dumps(header).encode()
        return len(text).to_bytes(4, "little") + text + blob


def _moves_centers(path: Path) -> bool:
    """Return whether the components of a file can pose a head; components of colors or sizes only cannot."""
    with FORMAT.reading(path) as file:
        return "xyz" in list(file["dim_info"].attrs["list_attrName"])


def _content(path: Path) -> bytes:
    """Return the bytes of a file of the run; raise InputError naming it when it no longer exists."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error, f"cannot be read ({error}).") from error


def _known(name: str, names: Sequence[str], kind: str) -> str:
    """Return `name` if it is one of `names`; raise InputError otherwise."""
    if name not in names:
        raise InputError(f"{kind} {name[:80]!r}: expected {names[0]} or one of {len(names) - 1} others.")
    return name
