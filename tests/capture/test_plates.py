"""Plates: photographs of the empty stage, or medians of frames; and the data set whose mattes come from them."""

import logging
import shutil

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from splatrig.capture.layout import CaptureLayout
from splatrig.capture.matte_picture import HEIGHT as PICTURE_HEIGHT
from splatrig.capture.matte_picture import draw_mattes
from splatrig.capture.photographs import read_photograph
from splatrig.capture.plates import (
    PlateSource,
    compute_plates,
    hidden_by,
    read_plates,
    take_plates,
    temporal_median,
)
from splatrig.io.errors import InputError
from support.raw_capture import HEIGHT, NEUTRAL, SMILE, STAGE, WIDTH, cameras_of, run, stage_cameras


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


def test_a_pixel_is_taken_from_the_frames_in_which_the_head_is_farthest():
    clearance = np.array([10, 30, 30, 5, 40, 0, 160, 160], dtype=np.uint8).reshape(-1, 1, 1).repeat(70, axis=1)
    clearance[:, 1] = 160
    clearance[:, 2] = 3
    hidden = hidden_by(clearance, 3, 20.0)
    assert_array_equal(np.flatnonzero(~hidden[:, 0, 0]), [4, 6, 7])
    assert not hidden[:, 1].any() and hidden[:, 2].all()
    assert_array_equal(hidden_by(clearance[:2], 3, 20.0)[:, 0, 0], [True, False])


def source_of(raw, **changes):
    return PlateSource(**{"capture": CaptureLayout(raw.root), "cameras": cameras_of(raw), **SCALE, **changes})


SCALE = {"image_scale": 1.0, "color": None}


@pytest.mark.parametrize("threads", [1, 2])
def test_computed_plates_show_the_stage_and_nothing_of_the_head(raw, tmp_path, threads, caplog):
    with caplog.at_level(logging.INFO):
        compute_plates(source_of(raw), [NEUTRAL, SMILE], NEUTRAL, tmp_path, threads=threads)
    assert "of 7 frames; the stage is known in" in caplog.text
    for name, plate in zip(cameras_of(raw).names, read_plates(tmp_path, cameras_of(raw)), strict=True):
        assert plate.rgb.shape == (HEIGHT, WIDTH, 3)
        assert_array_equal(plate.rgb, np.broadcast_to(STAGE, plate.rgb.shape))
        camera = next(camera for camera in stage_cameras(raw.cameras) if camera.name == name)
        frames = [(segment, frame) for segment in (NEUTRAL, SMILE) for frame in raw.frames(segment)]
        always = np.all([raw.true_silhouette(*frame, camera) > 0 for frame in frames], axis=0)
        assert always.any() and not plate.known[always].any()
        assert plate.known.mean() > 0.1


def test_a_camera_without_images_is_named(raw, tmp_path):
    shutil.rmtree(raw.image(NEUTRAL, raw.cameras[1], "").parent)
    shutil.rmtree(raw.image(SMILE, raw.cameras[1], "").parent)
    with pytest.raises(InputError, match=f"camera {raw.cameras[1]} has no image in the 7 frames"):
        compute_plates(source_of(raw), [NEUTRAL, SMILE], NEUTRAL, tmp_path)


def test_a_capture_without_any_frame_is_named(raw, tmp_path):
    for frame in raw.frames(SMILE):
        raw.tracked(SMILE, f"{frame}_transform.txt").unlink()
    with pytest.raises(InputError, match="no frame has a mesh, a pose and an image"):
        compute_plates(source_of(raw), [SMILE], NEUTRAL, tmp_path)


def test_photographs_of_the_empty_stage_are_taken_and_known_everywhere(raw, tmp_path, caplog):
    raw.write_plates()
    with caplog.at_level(logging.INFO):
        take_plates(source_of(raw), raw.root / "plates", tmp_path)
    for plate in read_plates(tmp_path, cameras_of(raw)):
        assert_array_equal(plate.rgb, np.broadcast_to(STAGE, plate.rgb.shape))
        assert plate.known.all()
    assert "plates are the capture's photographs of the empty stage, of 3 cameras" in caplog.text
    (tmp_path / "half").mkdir()
    small = source_of(raw, cameras=cameras_of(raw, 0.5), image_scale=0.5, color="multiface_gamma")
    take_plates(small, raw.root / "plates", tmp_path / "half")
    assert read_plates(tmp_path / "half", small.cameras)[0].rgb.shape == (HEIGHT // 2, WIDTH // 2, 3)


def test_a_missing_plate_is_one_sentence(raw, tmp_path):
    raw.write_plates()
    (raw.root / "plates" / "400017.png").unlink()
    with pytest.raises(InputError, match=r"plates: no plate of camera 400017, expected .* remove the folder to have"):
        take_plates(source_of(raw), raw.root / "plates", tmp_path)


def test_a_plate_of_another_size_is_one_sentence(raw, tmp_path):
    raw.write_plates()
    Image.new("RGB", (WIDTH, HEIGHT + 1)).save(raw.root / "plates" / "400017.png")
    with pytest.raises(InputError, match=r"400017\.png: expected a plate as large as .* 24×36 pixels .*, got 24×37;"):
        take_plates(source_of(raw), raw.root / "plates", tmp_path)


def test_a_damaged_plate_is_named(raw, tmp_path):
    raw.write_plates()
    (raw.root / "plates" / "400017.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"400017\.png: cannot be read as an image"):
        take_plates(source_of(raw), raw.root / "plates", tmp_path)


def _alphas(folder, raw):
    return np.stack([np.asarray(Image.open(folder / "000109" / f"{name}.png"))[..., 3] for name in raw.cameras])


@pytest.fixture
def haired(raw):
    """A capture with plates whose photographs have hair, two pixels of it to the left of the head."""
    raw.write_plates()
    for camera in stage_cameras(raw.cameras):
        for segment in (NEUTRAL, SMILE):
            for frame in raw.frames(segment):
                path = raw.image(segment, camera.name, frame)
                pixels = np.array(Image.open(path))
                alpha = raw.true_silhouette(segment, frame, camera)
                pixels[(np.roll(alpha, -2, axis=1) == 255) & (alpha == 0)] = (250, 240, 30)
                Image.fromarray(pixels).save(path)
    return raw


def test_the_data_set_has_hair_in_its_mattes(haired, tmp_path, caplog):
    (tmp_path / "plates").mkdir()
    take_plates(source_of(haired), haired.root / "plates", tmp_path / "plates")
    with caplog.at_level(logging.INFO):
        run(haired, tmp_path / "out", background="plate", plates=tmp_path / "plates")
    run(haired, tmp_path / "silhouette")
    run(haired, tmp_path / "threads", background="plate", plates=tmp_path / "plates", threads=3)
    assert f"{SMILE}: alpha is the difference from the plates" in caplog.text
    alpha, mesh = _alphas(tmp_path / "out", haired), _alphas(tmp_path / "silhouette", haired)
    assert_array_equal(alpha, _alphas(tmp_path / "threads", haired))
    assert (alpha >= mesh).all()
    hair = np.asarray(Image.open(haired.image(SMILE, "400017", "000109")))[..., 0] == 250
    row = haired.cameras.index("400017")
    assert hair.sum() > 20 and (alpha[row][hair] > 200).mean() > 0.9 and mesh[row][hair].max() == 0


def test_photographs_are_read_once_for_mattes_and_data_set(haired, tmp_path, monkeypatch):
    (tmp_path / "plates").mkdir()
    take_plates(source_of(haired), haired.root / "plates", tmp_path / "plates")
    read = []

    def counted(path, *rest):
        read.append(path)
        return read_photograph(path, *rest)

    monkeypatch.setattr("splatrig.capture.frame_writer.read_photograph", counted)
    run(haired, tmp_path / "out", background="plate", plates=tmp_path / "plates", frames_per_expression=4)
    assert len(read) == len(set(read)) == 12


def test_the_picture_of_mattes_shows_plates_as_a_third_row(haired, tmp_path):
    compute_plates(source_of(haired), [NEUTRAL, SMILE], NEUTRAL, tmp_path)
    run(haired, tmp_path / "out", background="plate", plates=tmp_path)
    draw_mattes(tmp_path / "mattes.png", tmp_path / "out" / "000109", cameras_of(haired), tmp_path)
    picture = np.asarray(Image.open(tmp_path / "mattes.png"))
    assert picture.shape[0] == 3 * PICTURE_HEIGHT
    plates = picture[2 * PICTURE_HEIGHT :].astype(int)
    magenta, stage = (np.abs(plates - color).max(axis=-1) < 8 for color in ([255, 0, 255], STAGE))
    assert magenta.mean() > 0.2 and stage.mean() > 0.1
