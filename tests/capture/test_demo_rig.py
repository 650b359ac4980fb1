import numpy as np
import pytest

from splatrig.capture.color import BLACK, GAIN, LIFT, SLOPE
from splatrig.capture.demo.camera_names import WIDE_CAMERAS, WORLD_CAMERA
from splatrig.capture.demo.expressions import (
    frame_list_text,
    frame_names,
    frame_weights,
    load_expressions,
    peak_weights,
    truth_rows,
)
from splatrig.capture.demo.raw import to_raw
from splatrig.capture.demo.rig import HEAD_CENTER_MM, REST_POSE, build_cameras, head_poses
from splatrig.capture.demo.stage import background
from splatrig.io.errors import InputError


@pytest.mark.parametrize(("count", "height"), [(3, 64), (16, 256), (64, 2048)])
def test_every_camera_is_rigid_about_a_metre_away_and_sees_the_head(count, height):
    cameras = build_cameras(count, height, seed=0)
    assert len(set(cameras.names)) == count and list(cameras.names) == sorted(cameras.names)
    assert {WORLD_CAMERA, *WIDE_CAMERAS} <= set(cameras.names)
    center = REST_POSE[:, :3] @ HEAD_CENTER_MM + REST_POSE[:, 3]
    for view, K in zip(cameras.viewmats, cameras.Ks, strict=True):
        np.testing.assert_allclose(view[:3, :3] @ view[:3, :3].T, np.eye(3), atol=1e-12)
        assert np.linalg.det(view[:3, :3]) == pytest.approx(1.0)
        in_camera = view[:3, :3] @ center + view[:3, 3]
        assert 1030 < np.linalg.norm(in_camera) < 1110
        pixel = K @ in_camera / in_camera[2]
        assert 0.25 * cameras.width < pixel[0] < 0.75 * cameras.width
        assert 0.25 * cameras.height < pixel[1] < 0.75 * cameras.height


def test_intrinsics_resemble_multiface():
    cameras = build_cameras(16, 2048, seed=0)
    assert (cameras.width, cameras.height) == (1334, 2048)
    for name, K in zip(cameras.names, cameras.Ks, strict=True):
        assert K[0, 0] != K[1, 1] and K[0, 1] == 0.0
        assert (5000 < K[0, 0] < 5200) if name in WIDE_CAMERAS else (7600 < K[0, 0] < 7900)
    off_center = np.abs(cameras.Ks[:, :2, 2] - [667.0, 1024.0])
    assert (off_center.max(axis=0) > 40.0).all()


def test_the_world_is_one_cameras_frame():
    cameras = build_cameras(5, 128, seed=3)
    np.testing.assert_array_equal(cameras.viewmats[cameras.names.index(WORLD_CAMERA)], np.eye(4))


def test_head_poses_are_rigid_move_and_follow_the_seed():
    poses = head_poses("E001_Neutral_Eyes_Open", 4, seed=1)
    for pose in poses:
        np.testing.assert_allclose(pose[:, :3] @ pose[:, :3].T, np.eye(3), atol=1e-12)
    assert (np.linalg.norm(np.diff(poses[:, :, 3], axis=0), axis=1) > 0.1).all()
    np.testing.assert_array_equal(poses, head_poses("E001_Neutral_Eyes_Open", 4, seed=1))
    assert not np.allclose(poses, head_poses("E001_Neutral_Eyes_Open", 4, seed=2))
    assert not np.allclose(poses, head_poses("E003_Neutral_Eyes_Closed", 4, seed=1))


def test_backgrounds_are_not_black_and_differ_between_cameras():
    cameras = build_cameras(4, 64, seed=0)
    pictures = np.stack([background(cameras, index, seed=0) for index in range(4)])
    assert pictures.shape == (4, 64, cameras.width, 3)
    assert pictures.min() > 0.0 and (pictures.mean(axis=(1, 2)) > 0.01).all()
    assert np.abs(pictures[0] - pictures[1]).mean() > 0.005


def test_raw_color_undergoes_the_official_correction_to_what_was_meant():
    shown = np.linspace(0.0, 0.9, 50)[:, None] * np.ones(3)
    raw = to_raw(shown)
    corrected = np.clip(np.sqrt(SLOPE * np.clip(raw * GAIN - BLACK, 0, 2)) - LIFT, 0, 2)
    np.testing.assert_allclose(corrected, shown, atol=1e-12)
    assert (raw[20:, 1] > raw[20:, 0]).all() and (raw[20:, 1] > raw[20:, 2]).all()


def test_frames_have_six_digits_step_by_three_and_do_not_depend_on_other_segments():
    assert frame_names("E001_Neutral_Eyes_Open", 3) == ["000102", "000105", "000108"]
    text = frame_list_text(["E008_Smile_Mouth_Closed", "E001_Neutral_Eyes_Open"], 2)
    assert text.splitlines()[2] == "E001_Neutral_Eyes_Open 000102"
    names = [name for number in range(1, 75) for name in frame_names(f"E{number:03d}_X", 100)]
    assert len(set(names)) == len(names)


def test_weights_rise_evenly_to_the_peak_and_truth_lists_every_unit():
    table = {"E001_A": {}, "E008_B": {"jawOpen": 0.8}, "E009_C": {"cheekPuff": 1.0}}
    assert [weights["jawOpen"] for weights in frame_weights(table["E008_B"], 4)] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    rows = truth_rows(table, ["E001_A", "E008_B"], 2)
    assert [row[2:] for row in rows] == [("jawOpen", 0.0)] * 2 + [("jawOpen", 0.4), ("jawOpen", 0.8)]


def test_bad_tables_and_unknown_segments_are_named(tmp_path):
    path = tmp_path / "demo.yaml"
    path.write_text("E001_A: {}\nE002_B: {jawOpen: wide}\n")
    with pytest.raises(InputError, match=r"E002_B, jawOpen: expected a weight in \[0, 1\.5\], got 'wide'"):
        load_expressions(path)
    with pytest.raises(InputError, match="no segment 'E074_Blink'; it has E001_A"):
        peak_weights({"E001_A": {}}, "E074_Blink")
