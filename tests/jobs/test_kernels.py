import importlib.util
import re
import tempfile
from pathlib import Path

import numba
import pytest

LIBRARY = Path(__file__).resolve().parents[2] / "workflow" / "lib" / "splatrig"
SOURCE = """
from splatrig.jobs.kernels import cached_njit

@cached_njit(nogil=True)
def twice(value):
    return 2 * value
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine on which nothing but the temporary folder can be written, whoever runs the tests."""
    for name in ("sources", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "sources" / "module.py").write_text(SOURCE)
    for name in ("sources/__pycache__", "home"):
        (tmp_path / name).write_text("a file, where a folder is wanted")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def kernel(machine):
    """The kernel as a new process would meet it."""
    spec = importlib.util.spec_from_file_location("module", machine / "sources" / "module.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.twice


def kept_by(machine):
    """Return how many times a kernel that was just made and called was read from disk."""
    made = kernel(machine)
    assert made(21) == 42
    return sum(made.stats.cache_hits.values())


def test_a_kernel_is_kept_below_the_temporary_folder_where_nothing_else_can_be_written(machine):
    assert [kept_by(machine), kept_by(machine)] == [0, 1]
    [folder] = (machine / "tmp").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.suffix for path in folder.rglob("*.nb*")} == {".nbi", ".nbc"}


@pytest.mark.parametrize("place", ["sources/__pycache__", "home"])
def test_a_kernel_is_kept_next_to_its_module_or_below_the_home_where_they_can_be_written(machine, place):
    (machine / place).unlink()
    assert [kept_by(machine), kept_by(machine)] == [0, 1]
    assert list((machine / place).rglob("*.nbc"))
    assert not list((machine / "tmp").iterdir())


def test_a_folder_that_was_named_counts_first(machine, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(machine / "named"))
    (machine / "home").unlink()
    assert [kept_by(machine), kept_by(machine)] == [0, 1]
    assert list((machine / "named").rglob("*.nbc"))


def test_a_temporary_folder_that_others_may_write_is_not_used(machine):
    kept_by(machine)
    [folder] = (machine / "tmp").iterdir()
    folder.chmod(0o777)
    assert kept_by(machine) == 0


def test_a_kernel_is_compiled_where_no_folder_can_keep_it(machine, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(machine / "home"))
    assert [kept_by(machine), kept_by(machine)] == [0, 0]


def test_a_user_without_a_home_gets_no_folder_of_the_name_tilde(machine, monkeypatch):
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    assert [kept_by(machine), kept_by(machine)] == [0, 1]
    assert sorted(path.name for path in machine.iterdir()) == ["home", "sources", "tmp"]


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("fraction", [0.0, 0.5, 0.99])
def test_a_file_that_was_cut_short_is_replaced(machine, suffix, fraction):
    kept_by(machine)
    [file] = (machine / "tmp").rglob(f"*{suffix}")
    content = file.read_bytes()
    file.write_bytes(content[: int(fraction * len(content))])
    assert [kept_by(machine), kept_by(machine)] == [0, 1]


def test_a_full_disk_costs_the_kept_kernel_alone(machine, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", full)
    assert [kept_by(machine), kept_by(machine)] == [0, 0]


def test_every_kernel_of_the_library_is_kept_this_way():
    using = [path.name for path in LIBRARY.rglob("*.py") if re.search(r"\bnjit\b", path.read_text(encoding="utf-8"))]
    assert using == ["kernels.py"]
