import errno
import fcntl

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


@pytest.fixture
def kept(tmp_path):
    """A sound file."""
    with WEIGHTS.writing(tmp_path / "kept.h5") as file:
        file["x"] = [1, 2, 3]
    return tmp_path / "kept.h5"


def read(path):
    with WEIGHTS.reading(path) as file:
        return file["x"][()].tolist()


def test_a_locked_file_is_said_to_be_locked_and_not_to_be_deleted(kept):
    with kept.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(InputError, match=r"kept\.h5: .* another program has locked; it is not damaged") as found:
            read(kept)
    assert "delete" not in str(found.value)
    assert read(kept) == [1, 2, 3]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EIO])
def test_a_file_system_without_locks_needs_none(kept, monkeypatch, number):
    opened = h5py.File

    def without_locks(path, mode, locking=None):
        if locking is not False:
            raise OSError(number, f"Unable to synchronously open file (unable to lock file, errno = {number})")
        return opened(path, mode, locking=locking)

    monkeypatch.setattr(h5py, "File", without_locks)
    with WEIGHTS.writing(kept.with_name("new.h5")) as file:
        file["x"] = [4]
    assert (read(kept), read(kept.with_name("new.h5"))) == ([1, 2, 3], [4])


@pytest.mark.parametrize("number", [errno.EACCES, errno.ESTALE, errno.EIO, errno.EMFILE])
@pytest.mark.parametrize("kind", [OSError, KeyError, RuntimeError])
def test_what_the_machine_refuses_is_not_to_be_deleted(kept, number, kind):
    """HDF5 says so while it opens as well as while it reads, by errors of several classes."""
    words = f"Can't read data (file read failed: fd = 3, errno = {number}, error message = '...')"
    error = OSError(number, words) if kind is OSError else kind(words)
    with (
        pytest.raises(InputError, match=r"kept\.h5: .*, then run the same command again\.$") as found,
        WEIGHTS.reading(kept),
    ):
        raise error
    assert "delete" not in str(found.value)


def test_a_file_that_vanishes_while_it_is_read_is_said_to_be_missing(kept):
    with pytest.raises(InputError, match=r"kept\.h5: expected a file, got none"), WEIGHTS.reading(kept):
        kept.unlink()
        raise OSError("Can't read data")
