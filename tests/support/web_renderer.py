"""What draws the web head and runs its networks, for tests: below resources/retrieved, as the workflow keeps it."""

from functools import cache
from pathlib import Path

import pytest

from splatrig.control.web.retrieve import RENDERER, RUNTIME, retrieve_packages
from splatrig.io.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "workflow" / "web"
RETRIEVED = ROOT / "resources" / "retrieved"
ARCHIVES = {"web_renderer.zip": RENDERER, "litert.zip": RUNTIME}


@cache
def missing(name: str) -> str | None:
    """Return why an archive cannot be had (no way to the npm registry), None when it is there."""
    if not (RETRIEVED / name).is_file():
        try:
            retrieve_packages(SOURCES / "package-lock.json", ARCHIVES[name], RETRIEVED / name)
        except InputError as error:
            return str(error)
    return None


def renderer_path() -> Path:
    """Return the path of the retrieved renderer; skip the test, saying why, when it cannot be had."""
    return _path("web_renderer.zip")


def runtime_path() -> Path:
    """Return the path of what runs networks in the page; skip the test, saying why, when it cannot be had."""
    return _path("litert.zip")


def _path(name: str) -> Path:
    reason = missing(name)
    if reason is not None:
        pytest.skip(reason)
    return RETRIEVED / name
