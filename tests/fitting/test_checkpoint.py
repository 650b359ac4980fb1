import os
from pathlib import Path

import numpy as np

from splatrig.fitting.checkpoint import Checkpoints, key_of


def test_what_is_written_is_read_back(tmp_path):
    checkpoints = Checkpoints(tmp_path / "job", "k")
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array("text")}
    checkpoints.write("000102", arrays)
    back = checkpoints.read("000102")
    assert back is not None
    assert back.keys() == arrays.keys()
    np.testing.assert_array_equal(back["a"], arrays["a"])
    assert str(back["b"]) == "text"


def test_nothing_is_read_where_nothing_is_or_where_it_was_dropped(tmp_path):
    checkpoints = Checkpoints(tmp_path, "k")
    assert checkpoints.read("x") is None
    checkpoints.write("x", {"a": np.zeros(1)})
    checkpoints.drop("x")
    checkpoints.drop("x")
    assert checkpoints.read("x") is None


def test_the_checkpoint_of_other_inputs_is_not_read(tmp_path):
    Checkpoints(tmp_path, "one").write("x", {"a": np.zeros(1)})
    assert Checkpoints(tmp_path, "two").read("x") is None


def test_a_damaged_checkpoint_is_as_good_as_none(tmp_path):
    checkpoints = Checkpoints(tmp_path, "k")
    checkpoints.write("x", {"a": np.arange(1000.0)})
    path = tmp_path / "x.npz"
    path.write_bytes(path.read_bytes()[:500])
    assert checkpoints.read("x") is None
    path.write_bytes(b"")
    assert checkpoints.read("x") is None


def test_a_slot_keeps_multiples_of_its_steps_when_it_is_time(tmp_path):
    checkpoints = Checkpoints(tmp_path, "k")
    slot = checkpoints.slot("x", 10)
    assert slot.read() is None
    slot.keep(10, lambda: {"a": np.ones(2)})
    slot.keep(11, lambda: {"a": np.zeros(2)})
    np.testing.assert_array_equal(slot.read()["a"], np.ones(2))
    checkpoints.slot("x", every_seconds=1e9).keep(20, lambda: {"a": np.zeros(2)})
    np.testing.assert_array_equal(slot.read()["a"], np.ones(2))


def _key(folder: Path, seed: int = 0, value: float = 1.0) -> str:
    return key_of({"seed": seed}, {"start": np.full(3, value)}, [folder])


def test_the_key_follows_settings_arrays_and_files(tmp_path):
    photograph = tmp_path / "frame" / "400002.png"
    photograph.parent.mkdir()
    photograph.write_bytes(b"abc")
    first = _key(tmp_path)
    assert first == _key(tmp_path)
    assert first != _key(tmp_path, seed=1)
    assert first != _key(tmp_path, value=2.0)
    os.utime(photograph, (1, 1))
    assert first != _key(tmp_path)


def test_the_key_follows_the_contents_of_files(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("1")
    first = key_of({"k": 1}, paths=[file])
    os.utime(file, (1, 1))
    assert first == key_of({"k": 1}, paths=[file])
    file.write_text("2")
    assert first != key_of({"k": 1}, paths=[file])
