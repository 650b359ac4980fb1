"""Which cameras are used, and what is said when they do not fit the images."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from splatrig.capture.calibration import calibrated_cameras, choose_camera_names, raw_image_size
from splatrig.capture.krt import read_krt
from splatrig.capture.layout import CaptureLayout
from splatrig.io.errors import InputError
from support.raw_capture import HEIGHT, WIDTH, stage_cameras

SEGMENT = "E001_Neutral"


def choose(raw, wanted):
    layout = CaptureLayout(raw.root)
    return choose_camera_names(layout, SEGMENT, wanted, set(read_krt(layout.krt)))


def test_all_means_calibrated_and_pictured(raw):
    assert choose(raw, "all") == ["400002", "400017", "400030"]
    shutil.rmtree(raw.image(SEGMENT, "400017", "x").parent)
    raw.image(SEGMENT, "999999", "x").parent.mkdir()
    assert choose(raw, "all") == ["400002", "400030"]


def test_named_cameras_must_be_calibrated_and_pictured(raw):
    assert choose(raw, ["400030", "400002"]) == ["400002", "400030"]
    with pytest.raises(InputError, match="KRT: camera 123456"):
        choose(raw, ["123456"])
    shutil.rmtree(raw.image(SEGMENT, "400017", "x").parent)
    with pytest.raises(InputError, match=r"camera 400017 of capture\.cameras has no images"):
        choose(raw, ["400017"])


def test_no_common_camera_is_a_sentence(raw):
    for camera in raw.cameras:
        raw.image(SEGMENT, camera, "x").parent.rename(raw.root / "images" / SEGMENT / f"9{camera}")
    with pytest.raises(InputError, match="no camera has both"):
        choose(raw, "all")


def test_image_sizes_must_agree(raw):
    layout = CaptureLayout(raw.root)
    assert raw_image_size(layout, SEGMENT, raw.cameras) == (WIDTH, HEIGHT)
    Image.new("RGB", (30, 36)).save(raw.image(SEGMENT, "400017", "000100"))
    with pytest.raises(InputError, match="30×36 pixels"):
        raw_image_size(layout, SEGMENT, raw.cameras)


def test_cameras_are_sorted_and_project_as_the_krt_says(raw):
    krt = read_krt(raw.root / "KRT")
    cameras = calibrated_cameras(krt, ["400030", "400002"], WIDTH, HEIGHT)
    assert cameras.names == ("400002", "400030")
    assert_array_equal(cameras.held_out, [False, False])
    assert_array_equal(cameras.split(["400002"]).held_out, [True, False])
    truth = {camera.name: camera for camera in stage_cameras(raw.cameras)}
    for name, viewmat, K in zip(cameras.names, cameras.viewmats, cameras.Ks, strict=True):
        assert_allclose(viewmat, np.vstack([truth[name].extrinsics, [0, 0, 0, 1]]), rtol=0, atol=1e-12)
        assert_allclose(K, truth[name].K, rtol=0, atol=1e-8)


def test_something_must_be_left_to_train(raw):
    krt = read_krt(raw.root / "KRT")
    with pytest.raises(InputError, match="none is left to train"):
        calibrated_cameras(krt, ["400030"], WIDTH, HEIGHT).split("every 8th")
    with pytest.raises(InputError, match="camera 7 has no calibration"):
        calibrated_cameras(krt, ["7"], WIDTH, HEIGHT)


def test_a_calibration_of_larger_images_is_scaled_and_one_of_another_shape_refused(raw):
    krt = read_krt(raw.root / "KRT")
    whole = replace(krt["400030"], size=(4 * WIDTH, 4 * HEIGHT))
    cameras = calibrated_cameras({"400030": whole}, ["400030"], WIDTH, HEIGHT)
    assert_allclose(cameras.Ks[0][:2] * 4, whole.K[:2])
    with pytest.raises(InputError, match=r"camera 400030: its calibration is for images of 36×24 .* got 24×36"):
        calibrated_cameras({"400030": replace(whole, size=(HEIGHT, WIDTH))}, ["400030"], WIDTH, HEIGHT)
