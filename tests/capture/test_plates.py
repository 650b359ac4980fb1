"""Background plates: the median of what is seen, and the nearest of it elsewhere."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from splatrig.capture.plates import dilated, filled, temporal_median, write_plates
from splatrig.io.errors import InputError
from support.raw_capture import HEIGHT, SMILE, STAGE, WIDTH, cameras_of, run


def test_the_median_is_that_of_the_visible_values():
    rng = np.random.default_rng(0)
    photographs = rng.integers(0, 256, (9, 70, 5, 3), dtype=np.uint8)
    hidden = rng.random((9, 70, 5)) < 0.6
    hidden[:, 3, 2] = True
    plate, seen = temporal_median(photographs, hidden)
    assert_array_equal(seen, ~hidden.all(axis=0))
    masked = np.where(hidden[..., None], np.nan, photographs)[:, seen]
    expected = np.nanmedian(masked, axis=0)
    assert np.abs(plate[seen] - expected).max() <= 0.5
    assert_array_equal(plate[~seen], 0)


def test_outliers_in_few_frames_do_not_show():
    photographs = np.full((5, 8, 8, 3), 40, dtype=np.uint8)
    photographs[1, 2:4] = 255
    plate, _ = temporal_median(photographs, np.zeros((5, 8, 8), dtype=bool))
    assert_array_equal(plate, 40)


def test_unseen_pixels_take_the_nearest_seen_one():
    plate = np.zeros((1, 5, 3), dtype=np.uint8)
    plate[0, 0], plate[0, 4] = 10, 50
    seen = np.array([[True, False, False, False, True]])
    assert_array_equal(filled(plate, seen)[0, [0, 1, 3, 4], 0], [10, 10, 50, 50])
    assert_array_equal(filled(plate, np.zeros_like(seen)), 0)


def test_dilation_is_round():
    mask = np.zeros((11, 11), dtype=bool)
    mask[5, 5] = True
    rows, columns = np.nonzero(dilated(mask, 3.0))
    assert np.hypot(rows - 5, columns - 5).max() == 3.0
    assert len(rows) == 29
    assert not dilated(np.zeros((4, 4), dtype=bool), 3.0).any()


@pytest.fixture
def data_set(raw, tmp_path):
    rows = run(raw, tmp_path / SMILE, frames_per_expression=4, background="none")
    return [tmp_path / SMILE / row.frame for row in rows], cameras_of(raw)


@pytest.mark.parametrize("threads", [1, 2])
def test_plates_show_the_stage_and_nothing_of_the_head(data_set, tmp_path, threads):
    frames, cameras = data_set
    (tmp_path / "plates").mkdir()
    write_plates(frames, cameras, tmp_path / "plates", margin=0.06, most_frames=3, threads=threads)
    for name in cameras.names:
        plate = np.asarray(Image.open(tmp_path / "plates" / f"{name}.png"))
        assert plate.shape == (HEIGHT, WIDTH, 3)
        assert_array_equal(plate, np.broadcast_to(STAGE, plate.shape))


def test_a_camera_without_images_is_named(data_set, tmp_path):
    frames, cameras = data_set
    for frame in frames:
        (frame / f"{cameras.names[1]}.png").unlink()
    (tmp_path / "plates").mkdir()
    with pytest.raises(InputError, match=cameras.names[1]):
        write_plates(frames, cameras, tmp_path / "plates", margin=0.06, most_frames=9)
