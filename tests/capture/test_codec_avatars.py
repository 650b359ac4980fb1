"""Ava-256 and Goliath: the traps of their files, and what is said of wrong ones."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from splatrig.capture import codec_avatars
from splatrig.capture.calibration import calibrated_cameras, choose_camera_names, raw_image_sizes
from splatrig.capture.codec_avatars import open_ava256, open_goliath, read_calibration, read_frame_table
from splatrig.capture.frame_selection import usable_frames
from splatrig.capture.krt import read_krt
from splatrig.capture.restructure import restructure
from splatrig.io.errors import InputError
from support.raw_capture import HEIGHT, NEUTRAL, OPTIONS, SMILE, WIDTH
from support.releases import (
    ELSEWHERE,
    EMPTY,
    PARTLY_LIT,
    SENSOR,
    Source,
    encoded,
    write_ava256,
    write_goliath,
    write_zip,
)


@pytest.fixture(autouse=True)
def sensor(monkeypatch):
    """A sensor of the shape of the tiny images."""
    monkeypatch.setattr(codec_avatars, "SENSOR", SENSOR)


@pytest.fixture
def source(raw):
    for segment in (NEUTRAL, SMILE):
        raw.write_masks(segment)
    return Source.of(raw.root)


@pytest.fixture
def root(source, tmp_path):
    return write_ava256(source, tmp_path / "decoder")


def test_matrices_are_transposed_and_distortion_is_not_applied(raw, root):
    krt = read_krt(raw.root / "KRT")
    cameras = read_calibration(root / "camera_calibration.json")
    assert set(cameras) == {*krt, EMPTY, ELSEWHERE}
    for name, camera in krt.items():
        assert_allclose(cameras[name].extrinsics, camera.extrinsics, rtol=0, atol=1e-12)
        assert_allclose(cameras[name].K[:2], camera.K[:2] * 4, rtol=1e-12)
        assert_array_equal(cameras[name].distortion, np.zeros(5))


def test_cameras_without_a_readable_archive_are_left_out_and_named(root, caplog):
    capture = open_ava256(root)
    with caplog.at_level(logging.WARNING):
        names = choose_camera_names(capture, NEUTRAL, "all", set(capture.calibration()))
    assert names == ["400002", "400017", "400030"]
    assert f"image/cam{EMPTY}.zip: cannot be read as a zip" in caplog.text
    assert f"left out, no images of {NEUTRAL}: camera {EMPTY}, {ELSEWHERE}" in caplog.text
    with pytest.raises(InputError, match=f"camera {EMPTY} of capture.cameras has no images of {NEUTRAL}"):
        choose_camera_names(capture, NEUTRAL, [EMPTY], set(capture.calibration()))


def test_a_missing_member_is_a_hole(source, tmp_path, caplog):
    root = write_ava256(source, tmp_path / "holes", missing=[(SMILE, "400017", "000103")])
    capture = open_ava256(root)
    with caplog.at_level(logging.WARNING):
        frames = usable_frames(capture, SMILE, ["400002", "400017"], "skip")
    assert [files.frame for files in frames] == ["001100", "001106", "001109"]
    assert f"{SMILE}/001103: no image of camera 400017; left out" in caplog.text
    with pytest.raises(InputError, match=r"cam400017\.zip: expected frame 001103 of E002_Smile, got none"):
        capture.image(SMILE, "400017", "001103")


def test_the_chair_is_not_the_subject_and_clothes_are(raw, root):
    matte = open_ava256(root).matte(NEUTRAL, "400002", "000100", WIDTH, HEIGHT)
    head = np.asarray(Image.open(raw.mask(NEUTRAL, "400002", "000100"))) > 127
    assert set(np.unique(matte)) == {0, 255}
    assert_array_equal(matte[-4:] > 0, head[-4:])
    assert_array_equal(matte > 0, head)


def test_a_small_segmentation_is_enlarged(raw, source, tmp_path):
    capture = open_goliath(write_goliath(source, tmp_path / "head"))
    matte = capture.matte(NEUTRAL, "400002", "000100", WIDTH, HEIGHT)
    wrong = (matte > 127) != (np.asarray(Image.open(raw.mask(NEUTRAL, "400002", "000100"))) > 127)
    assert matte.shape == (HEIGHT, WIDTH)
    assert wrong.mean() < 0.08  # a ring of one pixel


def test_frames_that_few_lamps_light_are_no_frames(source, tmp_path):
    capture = open_goliath(write_goliath(source, tmp_path / "head"))
    listed = read_frame_table(tmp_path / "head" / "frame_segments_list.csv")
    assert PARTLY_LIT in listed[NEUTRAL]
    assert [files.frame for files in capture.frames(NEUTRAL, ())] == ["000100", "000103", "000106"]
    (tmp_path / "head" / "lights" / "light_pattern_per_frame.json").write_text("{}")
    with pytest.raises(InputError, match=rf"segment {NEUTRAL} is not listed"):
        open_goliath(tmp_path / "head").frames(NEUTRAL, ())


def test_masks_without_archives_are_missing_masks(root):
    capture = open_ava256(root)
    for path in (root / "segmentation_parts").iterdir():
        path.unlink()
    with pytest.raises(
        InputError, match=r"none of the 3 frames of E001_Neutral .* with a mask of most of the 1 cameras"
    ):
        usable_frames(capture, NEUTRAL, ["400002"], "skip", masks=True)


def test_photographs_of_another_shape_than_the_sensor_are_refused(root):
    image = Image.new("RGB", (HEIGHT, WIDTH), (9, 9, 9))
    for name in ("400002", "400017", "400030"):
        write_zip(root / "image" / f"cam{name}.zip", {f"cam{name}/000100.avif": encoded(image, "AVIF")})
    capture = open_ava256(root)
    names = choose_camera_names(capture, NEUTRAL, "all", set(capture.calibration()))
    sizes = raw_image_sizes(capture, NEUTRAL, names)
    with pytest.raises(InputError, match=r"camera 400002: its calibration is for images of 96×144 .* got 36×24"):
        calibrated_cameras(capture.calibration(), sizes)


def test_a_damaged_photograph_is_named_with_its_archive(root, tmp_path):
    path = root / "image" / "cam400017.zip"
    content = bytearray(path.read_bytes())
    content[300] ^= 0xFF
    path.write_bytes(content)
    capture = open_ava256(root)
    names = ["400002", "400017"]
    cameras = calibrated_cameras(capture.calibration(), dict.fromkeys(names, (WIDTH, HEIGHT)))
    options = replace(OPTIONS, neutral=NEUTRAL, frame_selection="first", frames_per_expression=1)
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match=r"cam400017\.zip/cam400017/000100\.avif: .*damaged"):
        restructure(capture, NEUTRAL, cameras, options, tmp_path / "out")


def _spoil(document, key, value):
    document["KRT"][0][key] = value


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda document: _spoil(document, "K", [[1, 0], [0, 1]]), "expected finite K, 3 × 3, and T, 4 × 4"),
        (lambda document: document["KRT"][0].pop("T"), "expected matrices K and T"),
        (lambda document: _spoil(document, "T", np.diag([1, 1, -1, 1]).tolist()), "extrinsics: .*got a reflection"),
        (lambda document: _spoil(document, "K", [[9, 0, 4], [0, 9, 4], [0, 0, 1]]), "expected intrinsics"),
        (lambda document: _spoil(document, "cameraId", EMPTY), f"camera {EMPTY}: expected names .* each once"),
        (lambda document: document.pop("KRT"), r"cannot be read as camera_calibration\.json of the release"),
    ],
)
def test_a_wrong_calibration_is_one_sentence(root, spoil, words):
    path = root / "camera_calibration.json"
    document = json.loads(path.read_text())
    spoil(document)
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=rf"camera_calibration\.json.*{words}"):
        read_calibration(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "expected the columns seg_id and frame_id, got a, b"),
        ("seg_id,frame_id\nEXP_a,first\n", "line 2: expected the name of a segment and the number of a frame"),
        ("seg_id,frame_id\nEXP a,3\n", "line 2: expected the name"),
        ("seg_id,frame_id\n", "expected frames, got none"),
        ("", "expected the columns"),
    ],
)
def test_a_wrong_frame_list_is_one_sentence(tmp_path, text, words):
    (tmp_path / "frame_list.csv").write_text(text)
    with pytest.raises(InputError, match=rf"frame_list\.csv.*{words}"):
        read_frame_table(tmp_path / "frame_list.csv")


def test_frames_are_in_order_whatever_the_list_has(tmp_path):
    (tmp_path / "frame_list.csv").write_text("\ufeffseg_id,frame_id\r\nEXP_a,30\r\nEXP_a,4\r\nEXP_b,5\r\nEXP_a,30\r\n")
    assert read_frame_table(tmp_path / "frame_list.csv") == {"EXP_a": [4, 30], "EXP_b": [5]}


def test_a_missing_topology_and_one_of_another_mesh_are_named(root):
    capture = open_ava256(root)
    files = capture.frames(NEUTRAL, ())[0]
    lines = (root / "face_topology.obj").read_text().splitlines()
    (root / "face_topology.obj").write_text("\n".join([*lines, "v 0 0 0"]) + "\n")
    with pytest.raises(InputError, match=r"vertices\.zip/000100\.ply: expected 168 vertices as .*, got 167"):
        capture.tracker(files).read(files)
    (root / "face_topology.obj").unlink()
    with pytest.raises(InputError, match=r"face_topology\.obj: expected the topology .* copy assets/face_"):
        capture.tracker(files)


def test_a_segmentation_with_unknown_classes_is_named(root):
    strange = Image.fromarray(np.full((HEIGHT, WIDTH), 11, np.uint8))
    write_zip(root / "segmentation_parts" / "cam400002.zip", {"cam400002/000100.png": encoded(strange, "PNG")})
    with pytest.raises(InputError, match=r"cam400002/000100\.png: expected classes 0 to 10, got 11"):
        open_ava256(root).matte(NEUTRAL, "400002", "000100", WIDTH, HEIGHT)
