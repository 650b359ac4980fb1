import pytest

from capture.raw import RawCapture


@pytest.fixture
def raw(tmp_path):
    return RawCapture(tmp_path / "raw").write()
