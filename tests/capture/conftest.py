import shutil
from dataclasses import replace

import pytest

from capture.raw import RawCapture


@pytest.fixture(scope="session")
def pristine(tmp_path_factory):
    return RawCapture(tmp_path_factory.mktemp("pristine") / "raw").write()


@pytest.fixture
def raw(pristine, tmp_path):
    """A tiny raw capture of its own for every test, to spoil at will."""
    shutil.copytree(pristine.root, tmp_path / "raw")
    return replace(pristine, root=tmp_path / "raw")
