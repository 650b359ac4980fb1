import h5py
import numpy as np
import pandas as pd
import pytest

from splatrig.gaussians.gaussians import SHAPES
from splatrig.gaussians.store import FittedFrames, read_fitted_frames, write_fitted_frames
from splatrig.io.errors import InputError
from support.random_gaussians import random_gaussians


def _fitted() -> FittedFrames:
    metrics = pd.DataFrame(
        [("000102", "400009", "held_out", "mask", 28.5, 0.91, float("nan"))],
        columns=["frame", "camera", "split", "region", "psnr", "ssim", "lpips"],
    )
    rows = tuple(random_gaussians(6, seed) for seed in range(3))
    return FittedFrames("E002_Swallow", ("000102", "000105", "000108"), rows, metrics, {"recipe": "{}", "seed": 4})


def test_what_is_written_is_read_back(tmp_path):
    fitted = _fitted()
    write_fitted_frames(tmp_path / "a.h5", fitted)
    back = read_fitted_frames(tmp_path / "a.h5")
    assert (back.expression, back.frames) == (fitted.expression, fitted.frames)
    for ours, theirs in zip(back.gaussians, fitted.gaussians, strict=True):
        for name in SHAPES:
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    pd.testing.assert_frame_equal(back.metrics, fitted.metrics)
    assert back.attributes["seed"] == 4
    assert back.attributes["recipe"] == "{}"


def test_frames_are_read_by_name_in_the_order_asked_for(tmp_path):
    fitted = _fitted()
    write_fitted_frames(tmp_path / "a.h5", fitted)
    back = read_fitted_frames(tmp_path / "a.h5", ["000108", "000102"])
    assert back.frames == ("000108", "000102")
    np.testing.assert_array_equal(back.gaussians[0].means, fitted.gaussians[2].means)


def test_writing_the_same_frames_twice_gives_the_same_bytes(tmp_path):
    for name in ("a.h5", "b.h5"):
        write_fitted_frames(tmp_path / name, _fitted())
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_frame_that_is_not_there_is_named(tmp_path):
    write_fitted_frames(tmp_path / "a.h5", _fitted())
    with pytest.raises(InputError, match=r"a\.h5: expected frame 000999, got"):
        read_fitted_frames(tmp_path / "a.h5", ["000999"])


def test_another_hdf5_file_is_refused(tmp_path):
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match=r"b\.h5: cannot be read as fitted frames \(it is another HDF5 file\)"):
        read_fitted_frames(tmp_path / "b.h5")


def test_a_file_that_is_no_hdf5_is_refused(tmp_path):
    (tmp_path / "c.h5").write_text("no")
    with pytest.raises(InputError, match=r"c\.h5: cannot be read as fitted frames"):
        read_fitted_frames(tmp_path / "c.h5")


@pytest.mark.parametrize("name", ["frames", "means", "metrics_csv"])
def test_a_store_that_lacks_something_is_refused(tmp_path, name):
    write_fitted_frames(tmp_path / "a.h5", _fitted())
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file[name]
    with pytest.raises(InputError, match=rf"a\.h5: cannot be read as .*{name}.*; delete it and run again"):
        read_fitted_frames(tmp_path / "a.h5")
