import errno

import h5py
import pytest

from splatrig.io.errors import InputError
from splatrig.io.hdf5 import Format

WEIGHTS = Format("weights", 1, "none")


class GoesWithAnError:
    """What h5py's data sets do on a full disk: they are written when they go, where nothing can be raised."""

    def __init__(self, words: str) -> None:
        self.words = words

    def __del__(self) -> None:
        raise RuntimeError(self.words)


def test_a_file_appears_whole(tmp_path):
    with WEIGHTS.writing(tmp_path / "a.h5") as file:
        file["x"] = [1, 2, 3]
        assert not (tmp_path / "a.h5").exists()
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["x"][()].tolist() == [1, 2, 3]


def test_an_error_that_only_closing_meets_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(b"before")
    with pytest.raises(OSError, match="No space left on device") as found, WEIGHTS.writing(path) as file:
        file["x"] = [1]
        gone = GoesWithAnError("Can't decrement id ref count (file write failed: fd = 3, errno = 28, message = 'full')")
        del gone
    assert found.value.errno == errno.ENOSPC
    assert path.read_bytes() == b"before"
    assert [other.name for other in tmp_path.iterdir()] == ["a.h5"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_other_errors_that_cannot_be_raised_are_told_as_ever(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr("sys.unraisablehook", lambda ignored: told.append(str(ignored.exc_value)))
    with WEIGHTS.writing(tmp_path / "a.h5"):
        gone = GoesWithAnError("never mind")
        del gone
    assert told == ["never mind"]
    assert (tmp_path / "a.h5").exists()


def test_a_missing_file_is_said_to_be_missing_and_a_damaged_one_to_be_deleted(tmp_path):
    template = Format("template", 1, "mm")
    path = tmp_path / "template.h5"
    with pytest.raises(InputError) as missing, template.reading(path):
        pass
    assert (
        str(missing.value) == f"{path}: expected a file, got none; run the pipeline, which makes it, or name another."
    )
    path.write_bytes(b"\x89HDF")
    damaged = r"template\.h5: cannot be read as template .*; delete it and run again\.$"
    with pytest.raises(InputError, match=damaged), template.reading(path):
        pass
