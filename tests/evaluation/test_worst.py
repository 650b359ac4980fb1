import numpy as np
import pandas as pd
import pytest

from splatrig.dataset.regions import REGION_COLUMNS
from splatrig.evaluation.worst import camera_table, error_map, worst_row, worst_sheet, worst_spot


def test_error_map_is_the_mean_difference_inside_of_the_silhouette():
    photograph = np.zeros((10, 8, 3))
    image = photograph + np.array([0.1, 0.2, 0.3])
    inside = np.arange(8)[None].repeat(10, axis=0) < 4
    difference, painted = error_map(image, photograph, inside)
    np.testing.assert_allclose(difference[:, :4], 0.2)
    assert np.all(difference[:, 4:] == 0)
    assert painted.shape == (10, 8, 3)
    assert painted[0, 0].sum() > painted[0, 7].sum()


@pytest.mark.parametrize(("row", "column"), [(0, 0), (29, 19), (13, 7)])
@pytest.mark.parametrize("size", [4, 5])
def test_the_worst_spot_holds_the_error_and_stays_inside_of_the_picture(row, column, size):
    difference = np.zeros((30, 20))
    difference[row, column] = 1.0
    rows, columns = worst_spot(difference, size)
    assert rows.start <= row < rows.stop <= 30
    assert columns.start <= column < columns.stop <= 20
    assert (rows.stop - rows.start, columns.stop - columns.start) == (size, size)


def test_a_spot_larger_than_the_picture_is_the_picture():
    rows, columns = worst_spot(np.ones((6, 9)), 40)
    assert (rows, columns) == (slice(0, 6), slice(0, 6))


def test_worst_rows_are_equally_large_pictures():
    generator = np.random.default_rng(0)
    image, photograph = generator.random((50, 32, 3)), generator.random((50, 32, 3))
    row = worst_row(image, photograph, np.ones((50, 32), dtype=bool), 100)
    assert [picture.shape for picture in row] == [(100, 64, 3)] * 5
    assert worst_sheet([row, row], ["a", "b"]).shape[0] > 200


def test_cameras_come_worst_first():
    fit = pd.DataFrame(
        [
            ("a", "train", "mask", 30.0),
            ("a", "train", "mask", 20.0),
            ("b", "held_out", "mask", 22.0),
            ("b", "held_out", "image", 1.0),
        ],
        columns=["camera", "split", "region", "psnr"],
    ).assign(ssim=0.9, **dict.fromkeys(REGION_COLUMNS, np.nan))
    fit.loc[2, ["sse_eyes", "pixels_eyes"]] = [0.5, 50.0]
    table = camera_table(fit)
    assert table["psnr_eyes"].tolist() == pytest.approx([20.0, np.nan], nan_ok=True)
    assert "psnr_mouth" not in table
    assert table["camera"].tolist() == ["b", "a"]
    assert table["psnr"].tolist() == [22.0, 25.0]
    assert table["worst_psnr"].tolist() == [22.0, 20.0]
    assert table["frames"].tolist() == [1, 2]
