"""Which cameras are used, and what is said when they do not fit the images."""

import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from splatrig.capture.calibration import calibrated_cameras, choose_camera_names, raw_image_sizes
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


def test_images_of_different_sizes_share_one_frame(raw, caplog):
    layout, krt = CaptureLayout(raw.root), read_krt(raw.root / "KRT")
    same = raw_image_sizes(layout, SEGMENT, raw.cameras)
    assert same == dict.fromkeys(raw.cameras, (WIDTH, HEIGHT))
    assert calibrated_cameras(krt, same).sizes is None
    Image.new("RGB", (WIDTH + 1, HEIGHT - 2)).save(raw.image(SEGMENT, "400017", "000100"))
    with caplog.at_level(logging.WARNING):
        sizes = raw_image_sizes(layout, SEGMENT, raw.cameras)
    assert "images differ in size (24×36 of 2, 25×34 of 1 cameras): all become 25×36" in caplog.text
    cameras = calibrated_cameras(krt, sizes)
    assert (cameras.width, cameras.height) == (WIDTH + 1, HEIGHT)
    assert_array_equal(cameras.sizes, [sizes[name] for name in cameras.names])
    assert_array_equal(cameras.Ks, calibrated_cameras(krt, same).Ks)
    half = cameras.scaled(0.5)
    assert_array_equal(half.sizes, [[12, 18], [12, 17], [12, 18]])
    assert (half.width, half.height) == (12, 18)
    assert_allclose(half.Ks[1, 0, 0] / cameras.Ks[1, 0, 0], 12 / 25)
    assert_allclose(half.Ks[0, 0, 0] / cameras.Ks[0, 0, 0], 12 / 24)


def test_a_camera_whose_images_alone_are_of_another_scale_is_named(raw):
    krt = read_krt(raw.root / "KRT")
    sizes = dict.fromkeys(raw.cameras, (WIDTH, HEIGHT)) | {"400017": (WIDTH // 2, HEIGHT // 2)}
    with pytest.raises(InputError, match=r"camera 400017: its images have 12×18 pixels, those of most cameras 24×36"):
        calibrated_cameras(krt, sizes)
    for name, camera in krt.items():
        krt[name] = replace(camera, size=(WIDTH, HEIGHT))
    assert_allclose(calibrated_cameras(krt, sizes).Ks[1][:2], krt["400017"].K[:2] / 2)


def test_a_camera_without_images_is_a_sentence(raw):
    for path in raw.image(SEGMENT, "400017", "x").parent.iterdir():
        path.unlink()
    with pytest.raises(InputError, match=f"camera 400017 has no images of {SEGMENT}"):
        raw_image_sizes(CaptureLayout(raw.root), SEGMENT, raw.cameras)


def test_cameras_are_sorted_and_project_as_the_krt_says(raw):
    krt = read_krt(raw.root / "KRT")
    cameras = calibrated_cameras(krt, dict.fromkeys(["400030", "400002"], (WIDTH, HEIGHT)))
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
        calibrated_cameras(krt, dict.fromkeys(["400030"], (WIDTH, HEIGHT))).split("every 8th")
    with pytest.raises(InputError, match="camera 7 has no calibration"):
        calibrated_cameras(krt, dict.fromkeys(["7"], (WIDTH, HEIGHT)))


def test_a_calibration_of_larger_images_is_scaled_and_one_of_another_shape_refused(raw):
    krt = read_krt(raw.root / "KRT")
    whole = replace(krt["400030"], size=(4 * WIDTH, 4 * HEIGHT))
    cameras = calibrated_cameras({"400030": whole}, dict.fromkeys(["400030"], (WIDTH, HEIGHT)))
    assert_allclose(cameras.Ks[0][:2] * 4, whole.K[:2])
    with pytest.raises(InputError, match=r"camera 400030: its calibration is for images of 36×24 .* got 24×36"):
        calibrated_cameras({"400030": replace(whole, size=(HEIGHT, WIDTH))}, dict.fromkeys(["400030"], (WIDTH, HEIGHT)))
