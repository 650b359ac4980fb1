from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from splatrig.gaussians.free import FreeGaussians, Motion, read_free, write_free
from splatrig.io.errors import InputError

GENERATOR = np.random.default_rng(0)
SOME = FreeGaussians(
    structured=10,
    means=GENERATOR.standard_normal((4, 3)).astype(np.float32),
    parents=np.array([9, 0, 3, 3]),
    motions=np.array([Motion.STILL, Motion.PARENT, Motion.JAW, Motion.RIGHT_EYE]),
    colors=GENERATOR.random((4, 3)).astype(np.float32),
    sizes=np.array([0.5, 1, 2, 3], np.float32),
    opacities=np.array([0.1, 0.2, 0.9, 0.5], np.float32),
    jaw=np.array([4, 5, 8]),
)


@pytest.mark.parametrize("free", [SOME, FreeGaussians.none(10)])
def test_what_is_written_is_read(tmp_path: Path, free: FreeGaussians) -> None:
    write_free(tmp_path / "free.h5", free)
    read = read_free(tmp_path / "free.h5")
    assert len(read) == len(free)
    assert read.structured == 10
    for name, array in vars(free).items():
        np.testing.assert_array_equal(getattr(read, name), array)
        assert name == "structured" or getattr(read, name).dtype == array.dtype


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"means": np.zeros((4, 2), np.float32)}, r"expected means as floating values of shape \(4, 3\)"),
        ({"parents": np.zeros(4)}, "expected parents as integer values"),
        ({"parents": np.array([0, 1, 10, 2])}, "expected parents between 0 and 9, got 10"),
        ({"parents": np.array([0, 1, -1, 2])}, "expected parents between 0 and 9, got -1"),
        ({"motions": np.zeros(3, int)}, "expected motions"),
        ({"motions": np.array([0, 1, 5, 0])}, "expected motions between 0 and 4, got 5"),
        ({"jaw": np.array([3, 10])}, "expected jaw between 0 and 9, got 10"),
        ({"jaw": np.zeros(0, int)}, "expected a chin, since some move with the jaw"),
        ({"colors": np.full((4, 3), 1.5, np.float32)}, "expected colors between 0.0 and 1.0, got 1.5"),
        ({"colors": np.full((4, 3), np.nan, np.float32)}, "expected finite colors"),
        ({"sizes": np.zeros(4, np.float32)}, "expected sizes between 0.0 and inf, got 0.0"),
        ({"opacities": np.ones(4, np.float32)}, "expected opacities between 0.0 and 1.0, got 1.0"),
    ],
)
def test_numbers_that_cannot_be_free_gaussians_are_refused(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(SOME, **change)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "free.h5"
    write_free(path, SOME)
    with h5py.File(path, "a") as file:
        file["parents"][0] = 99
    with pytest.raises(InputError, match=r"free\.h5.*between 0 and 9, got 99"):
        read_free(path)
    with h5py.File(path, "a") as file:
        del file["sizes"]
    with pytest.raises(InputError, match=r"free\.h5"):
        read_free(path)


def test_a_file_of_the_version_before_motions_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "free.h5"
    write_free(path, SOME)
    with h5py.File(path, "a") as file:
        file.attrs["format_version"] = 1
        del file["motions"], file["jaw"]
        file["still"] = np.zeros(4, bool)
    with pytest.raises(
        InputError, match=r"free\.h5: cannot be read as free Gaussians \(.*version 1\); delete it"
    ) as raised:
        read_free(path)
    assert "\n" not in str(raised.value)
