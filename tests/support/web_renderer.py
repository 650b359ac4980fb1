"""What draws the web head, for tests: kept below resources/retrieved, as the workflow keeps it."""

from functools import cache
from pathlib import Path

import pytest

from splatrig.control.web.retrieve import RENDERER, retrieve_packages
from splatrig.io.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "workflow" / "web"
ARCHIVE = ROOT / "resources" / "retrieved" / "web_renderer.zip"


@cache
def renderer_missing() -> str | None:
    """Return why the renderer cannot be had (no way to the npm registry), None when it is there."""
    if not ARCHIVE.is_file():
        try:
            retrieve_packages(SOURCES / "package-lock.json", RENDERER, ARCHIVE)
        except InputError as error:
            return str(error)
    return None


def renderer_path() -> Path:
    """Return the path of the retrieved renderer; skip the test, saying why, when it cannot be had."""
    reason = renderer_missing()
    if reason is not None:
        pytest.skip(reason)
    return ARCHIVE
