import shutil
from dataclasses import replace

import pytest

from splatrig.capture.demo.head import load_head, refine
from support.demo_head import head_path
from support.raw_capture import RawCapture


@pytest.fixture(scope="session")
def pristine(tmp_path_factory):
    return RawCapture(tmp_path_factory.mktemp("pristine") / "raw").write()


@pytest.fixture
def raw(pristine, tmp_path):
    """A tiny raw capture of its own for every test, to spoil at will."""
    shutil.copytree(pristine.root, tmp_path / "raw")
    return replace(pristine, root=tmp_path / "raw")


@pytest.fixture(scope="session")
def head():
    """The demo head."""
    return load_head(head_path())


@pytest.fixture(scope="session")
def fine(head):
    """The demo head, subdivided."""
    return refine(head)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Let servers that stall cost no minute."""
    monkeypatch.setattr("splatrig.capture.download.READ_S", 0.4)
