import errno
import hashlib
import stat
from pathlib import Path

import pytest

from splatrig.io.files import as_paths, atomic_directory, atomic_path, sha256_of_file, unreadable


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_finished_write_replaces_the_file_and_is_readable_by_others(tmp_path):
    target = tmp_path / "deep" / "a.png"
    with atomic_path(target) as temporary:
        assert temporary.suffix == ".png"
        temporary.write_text("new")
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


def test_a_failed_directory_leaves_the_old_one(tmp_path):
    target = tmp_path / "d"
    target.mkdir()
    (target / "kept").touch()
    with pytest.raises(RuntimeError), atomic_directory(target) as temporary:
        (temporary / "half").touch()
        raise RuntimeError
    assert [path.name for path in target.iterdir()] == ["kept"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_finished_directory_replaces_the_old_one(tmp_path):
    target = tmp_path / "d"
    target.mkdir()
    (target / "stale").touch()
    with atomic_directory(target) as temporary:
        (temporary / "new").touch()
    assert [path.name for path in target.iterdir()] == ["new"]


def test_sha256_is_that_of_the_content(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abc" * 100_000)
    assert sha256_of_file(path) == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_one_file_many_or_none_are_a_list_of_paths():
    assert as_paths("a/b.h5") == [Path("a/b.h5")]
    assert as_paths(Path("a")) == [Path("a")]
    assert as_paths(["a", Path("b")]) == [Path("a"), Path("b")]
    assert as_paths([]) == []


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("bad number"), "no table; delete it."),
        (OSError("cannot identify the file"), "no table; delete it."),
        (
            OSError(errno.EACCES, ""),
            "Permission denied; give yourself the right to it, then run the same command again.",
        ),
        (OSError(errno.EISDIR, ""), "Is a directory; see to it, then run the same command again."),
        (FileNotFoundError(errno.ENOENT, ""), "expected a file, got none; run the pipeline, which makes it, or name "),
    ],
)
def test_only_a_file_whose_content_is_to_blame_is_to_be_deleted(tmp_path, error, sentence):
    path = tmp_path / "a.csv"
    path.touch()
    assert str(unreadable(path, error, "no table; delete it.")).startswith(f"{path}: {sentence}")
    path.unlink()
    gone = str(unreadable(path, ValueError("cut short"), "no table; delete it."))
    assert gone.startswith(f"{path}: expected a file, got none")
