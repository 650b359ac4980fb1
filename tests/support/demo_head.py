"""The retrieved head for tests: kept below resources/retrieved, as the workflow keeps it."""

from functools import cache
from pathlib import Path

import pytest

from splatrig.capture.demo.retrieve import retrieve_head
from splatrig.io.errors import InputError

FOLDER = Path(__file__).resolve().parents[2] / "resources" / "retrieved"
HEAD, LICENSE = FOLDER / "makehuman_head.npz", FOLDER / "makehuman_LICENSE.md"


@cache
def _missing() -> str | None:
    if not HEAD.is_file():
        try:
            retrieve_head(HEAD, LICENSE)
        except InputError as error:
            return str(error)
    return None


def head_path() -> Path:
    """Return the path of the retrieved head; skip the test, saying why, when it cannot be had."""
    reason = _missing()
    if reason is not None:
        pytest.skip(reason)
    return HEAD
