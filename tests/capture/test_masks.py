"""Masks that a capture brings: they become alpha as they are, and what cannot be right is said in a sentence."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from splatrig.capture.layout import CaptureLayout
from splatrig.capture.matte_picture import HEIGHT as PICTURE_HEIGHT
from splatrig.capture.matte_picture import draw_mattes
from splatrig.capture.mattes import HAIR_MM, segmented
from splatrig.capture.sources import check_masks
from splatrig.config.models import Config
from splatrig.io.errors import InputError
from support.photographed_template import stage
from support.raw_capture import HEIGHT, SMILE, WIDTH, cameras_of, run


@pytest.fixture
def masked(raw):
    raw.write_masks(SMILE)
    return raw


def _masks(raw, frame):
    return [raw.mask(SMILE, camera, frame) for camera in raw.cameras]


def _fill(paths, value):
    for path in paths:
        Image.fromarray(np.full((HEIGHT, WIDTH), value, dtype=np.uint8)).save(path)


def _alpha(folder, camera):
    return np.asarray(Image.open(folder / "000109" / f"{camera}.png"))[..., 3]


def test_alpha_is_the_mask_to_the_bit_and_its_source_is_logged(masked, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        run(masked, tmp_path / "out", background="masks")
    for camera in masked.cameras:
        assert_array_equal(
            _alpha(tmp_path / "out", camera), np.asarray(Image.open(masked.mask(SMILE, camera, "000109")))
        )
    assert f"{SMILE}: alpha is the capture's masks" in caplog.text


def test_photographs_are_those_of_a_run_without_masks(masked, tmp_path):
    for background in ("masks", "silhouette"):
        run(masked, tmp_path / background, background=background)
    for camera in masked.cameras:
        one, other = (
            np.asarray(Image.open(tmp_path / name / "000109" / f"{camera}.png")) for name in ("masks", "silhouette")
        )
        assert_array_equal(one[..., :3], other[..., :3])
        assert (one[..., 3] != other[..., 3]).any()


def test_masks_are_scaled_by_area_averages_as_photographs_are(masked, tmp_path):
    run(masked, tmp_path / "out", background="masks", image_scale=0.5)
    whole = np.asarray(Image.open(masked.mask(SMILE, "400017", "000109"))).astype(float)
    averages = whole.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).mean(axis=(1, 3))
    assert_allclose(_alpha(tmp_path / "out", "400017"), averages, atol=1.0)  # rounded after each direction


def test_a_mask_that_is_wrong_by_a_pixel_is_taken(masked, tmp_path):
    for path in _masks(masked, "000109"):
        Image.fromarray(np.roll(np.asarray(Image.open(path)), 1, axis=0)).save(path)
    assert len(run(masked, tmp_path / "out", background="masks")) == 2


def test_a_missing_mask_is_a_hole_as_a_missing_photograph_is(masked, tmp_path, caplog):
    masked.mask(SMILE, "400017", "000109").unlink()
    with caplog.at_level(logging.WARNING):
        rows = run(masked, tmp_path / "out", background="masks", frames_per_expression=4)
    assert [row.image_count for row in rows] == [3, 3, 3, 2]
    assert not (tmp_path / "out" / "000109" / "400017.png").exists()
    assert (
        f"{SMILE}: 1 of 12 images are missing or have no mask; their frames are used without them: 1 of camera 400017"
        in caplog.text
    )
    with pytest.raises(InputError, match=r"000109 has no mask of camera 400017; complete the capture, or set"):
        run(masked, tmp_path / "refused", background="masks", holes="refuse")
    assert len(run(masked, tmp_path / "unmasked", frames_per_expression=4)) == 4


def test_a_capture_without_masks_is_one_sentence(raw, tmp_path):
    with pytest.raises(
        InputError, match=r"an image with a mask of most of the 3 cameras .*4 have no mask of camera 400002"
    ):
        run(raw, tmp_path / "out", background="masks")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda image: image.resize((WIDTH, HEIGHT + 1)),
            r"400017/000109\.png: expected a mask of 24×36 pixels .* got 24×37",
        ),
        (lambda image: image.convert("RGB"), r"400017/000109\.png: expected an 8-bit gray mask, .* got mode RGB"),
        (lambda image: image.convert("1"), r"400017/000109\.png: expected an 8-bit gray mask, .* got mode 1;"),
        (lambda image: image.convert("I;16"), r"400017/000109\.png: expected an 8-bit gray mask, .* got mode I;16"),
    ],
)
def test_a_mask_of_another_kind_is_named(masked, tmp_path, spoil, message):
    path = masked.mask(SMILE, "400017", "000109")
    spoil(Image.open(path)).save(path)
    with pytest.raises(InputError, match=message):
        run(masked, tmp_path / "out", background="masks")


def test_a_damaged_mask_is_named(masked, tmp_path):
    masked.mask(SMILE, "400017", "000109").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"000109\.png: cannot be read as a mask"):
        run(masked, tmp_path / "out", background="masks")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, r"the masks of frame 000109 are empty in all 3 cameras"),
        (255, r"the masks of frame 000109 are full in all 3 cameras"),
    ],
)
def test_masks_that_tell_nothing_are_refused(masked, tmp_path, value, message):
    _fill(_masks(masked, "000109"), value)
    with pytest.raises(InputError, match=message):
        run(masked, tmp_path / "out", background="masks")


def test_an_empty_mask_of_one_camera_is_said(masked, tmp_path, caplog):
    _fill([masked.mask(SMILE, "400017", "000109")], 0)
    with caplog.at_level(logging.WARNING):
        run(masked, tmp_path / "out", background="masks")
    assert f"{SMILE}/000109: the mask of camera 400017 is empty" in caplog.text


def test_masks_the_wrong_way_round_are_refused(masked, tmp_path):
    for frame in masked.frames(SMILE):
        for path in _masks(masked, frame):
            Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    with pytest.raises(InputError, match=r"cover \d+ % of the tracked mesh's vertices .*; white must be the head"):
        run(masked, tmp_path / "out", background="masks")


def test_a_layout_knows_which_cameras_have_masks(masked):
    masked.mask(SMILE, "400002", "000103").unlink()
    frames = CaptureLayout(masked.root).frames(SMILE, masked.cameras)
    assert [files.masked for files in frames] == [masked.cameras, ("400030", "400017"), masked.cameras, masked.cameras]


def test_folders_of_masks_that_are_not_there_are_said_before_the_run(masked):
    def config(source, background="masks"):
        return Config.model_validate(
            {"neutral": SMILE, "capture": {"source": source, "root": str(masked.root), "background": background}}
        )

    check_masks(config("local"), [SMILE])
    check_masks(config("local", "silhouette"), [SMILE, "E003_Kiss"])
    check_masks(config("demo"), [SMILE, "E003_Kiss"])
    with pytest.raises(InputError, match=r"capture\.background: masks needs .*no folder of E003_Kiss;"):
        check_masks(config("local"), [SMILE, "E003_Kiss"])


def test_the_picture_of_mattes_shows_magenta_where_alpha_is_zero_and_alpha_below(masked, tmp_path):
    run(masked, tmp_path / "out", background="masks")
    cameras = cameras_of(masked)
    shown = draw_mattes(tmp_path / "mattes.png", tmp_path / "out" / "000109", cameras)
    assert sorted(shown) == sorted(masked.cameras)
    picture = np.asarray(Image.open(tmp_path / "mattes.png"))
    assert picture.shape == (2 * PICTURE_HEIGHT, 3 * round(PICTURE_HEIGHT * WIDTH / HEIGHT), 3)
    above, below = picture[:PICTURE_HEIGHT], picture[PICTURE_HEIGHT:]
    assert (above[below[..., 0] == 0][200:] == [255, 0, 255]).mean() > 0.9
    assert 0.1 < (below[..., 0] > 250).mean() < 0.9


def test_hair_that_a_network_finds_is_added_close_to_the_head_alone():
    cameras = stage((0.0, 20.0))
    rows, columns = np.mgrid[: cameras.height, : cameras.width]
    away = np.hypot(rows - 100, columns - 75)
    disk, nothing = np.where(away < 30, 255, 0).astype(np.uint8), np.zeros_like(away, dtype=np.uint8)
    image = np.zeros((*away.shape, 3), np.uint8)
    seen = np.where(away < 20, 0, 200).astype(np.uint8)  # a hole in the head, and a room full of people
    matte = segmented(lambda _f, _c: image, lambda _p: seen, lambda _f, c: nothing if c else disk, [cameras])
    alpha, pixel_mm = matte(0, 0), cameras.pixel_size(np.zeros(3))
    assert (alpha[away < 29] == 255).all()
    assert (alpha[(away > 31) & (away < 29 + HAIR_MM / pixel_mm - 1)] == 200).all()
    assert not alpha[away > 31 + HAIR_MM / pixel_mm].any()
    assert not matte(0, 1).any(), "a camera that does not see the head"


def test_segmentation_adds_to_the_silhouette_and_is_said(raw, tmp_path, monkeypatch, caplog):
    everywhere = np.full((HEIGHT, WIDTH), 90, np.uint8)
    monkeypatch.setattr(
        "splatrig.capture.restructure.Segmenter", lambda _path: SimpleNamespace(alpha=lambda _pixels: everywhere)
    )
    run(raw, tmp_path / "silhouette", background="silhouette")
    with caplog.at_level(logging.INFO):
        run(raw, tmp_path / "out", background="segmentation", segmenter=tmp_path / "network.tflite")
    for camera in raw.cameras:
        before, after = _alpha(tmp_path / "silhouette", camera), _alpha(tmp_path / "out", camera)
        assert_array_equal(after[before >= 90], before[before >= 90])
        assert (after >= before).all() and (after == 90).any()
    assert "what a network takes for a person close around it" in caplog.text
