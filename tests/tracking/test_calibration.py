import json
from dataclasses import replace

import numpy as np
import pytest

from splatrig.capture.krt import as_krt, write_krt
from splatrig.io.errors import InputError
from splatrig.tracking.calibration import calibration_file, read_calibration, scale_to_millimeters, scaled
from support.photographed_template import landmarks_seen, pose_of, stage, state, template

POSE = pose_of((3.0, 10.0, 0.0), (5.0, 0.0, 0.0))


def _transforms(cameras, **more):
    frames = []
    for name, viewmat, K in zip(cameras.names, cameras.viewmats, cameras.Ks, strict=True):
        to_world = np.linalg.inv(viewmat) @ np.diag([1.0, -1.0, -1.0, 1.0])
        frames.append({
            "file_path": f"images/Neutral/{name}/0001.png",
            "transform_matrix": to_world.tolist(),
            **dict(zip(("fl_x", "fl_y", "cx", "cy"), K[[0, 1, 0, 1], [0, 1, 2, 2]].tolist(), strict=True)),
        })  # fmt: skip
    return {"frames": frames, **more}


def test_transforms_and_krt_give_the_same_cameras(tmp_path):
    cameras = stage()
    write_krt(tmp_path / "KRT", as_krt(cameras))
    (tmp_path / "transforms.json").write_text(json.dumps(_transforms(cameras)))
    krt, transforms = read_calibration(tmp_path / "KRT"), read_calibration(tmp_path / "transforms.json")
    assert list(krt) == list(transforms) == list(cameras.names)
    for name in krt:
        np.testing.assert_allclose(transforms[name].K, krt[name].K, atol=1e-6)
        np.testing.assert_allclose(transforms[name].extrinsics, krt[name].extrinsics, atol=1e-6)


def test_krt_comes_before_transforms_and_nothing_is_said(tmp_path):
    (tmp_path / "transforms.json").write_text("{}")
    assert calibration_file(tmp_path).name == "transforms.json"
    (tmp_path / "KRT").write_text("")
    assert calibration_file(tmp_path).name == "KRT"
    with pytest.raises(InputError, match=r"expected a calibration \(KRT, transforms.json, or a COLMAP model"):
        calibration_file(tmp_path / "nowhere")


def test_a_camera_that_moves_is_refused_by_name(tmp_path):
    document = _transforms(stage())
    moved = json.loads(json.dumps(document["frames"][1]))
    moved["transform_matrix"][0][3] += 50.0
    moved["file_path"] = moved["file_path"].replace("0001", "0002")
    document["frames"].append(moved)
    (tmp_path / "transforms.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="camera camera1 has two positions"):
        read_calibration(tmp_path / "transforms.json")


@pytest.mark.parametrize("content", ["no json", "{}", '{"frames": [{"file_path": "a/b.png"}]}', '{"frames": []}'])
def test_a_file_that_is_none_is_named(tmp_path, content):
    (tmp_path / "transforms.json").write_text(content)
    with pytest.raises(InputError, match=r"transforms\.json"):
        read_calibration(tmp_path / "transforms.json")


@pytest.mark.parametrize("millimeters", [1.0, 10.0, 1000.0], ids=["mm", "cm", "m"])
def test_the_unit_follows_from_the_face(millimeters):
    cameras = _in_units(stage(), millimeters)
    seen = landmarks_seen(state(POSE), stage(), noise_px=0.3)
    assert scale_to_millimeters(seen, cameras, template().landmarks, None) == millimeters


def test_a_calibration_without_a_unit_gets_the_templates_size_or_the_distance_of_the_eyes():
    cameras = _in_units(stage(), 137.0)
    seen = landmarks_seen(state(POSE), stage())
    assert scale_to_millimeters(seen, cameras, template().landmarks, None) == pytest.approx(137.0, rel=0.01)
    by_eyes = scale_to_millimeters(seen, cameras, template().landmarks, 64.0)
    assert by_eyes / 137.0 == pytest.approx(64.0 / 61.0, rel=0.05)


def test_without_a_face_the_scale_is_not_guessed():
    with pytest.raises(InputError, match="must show it to two cameras"):
        scale_to_millimeters(np.full((5, len(template().landmarks), 2), np.nan), stage(), template().landmarks, None)


def test_scaled_cameras_see_what_they_saw():
    cameras = stage()
    small = dict(zip(cameras.names, as_krt(_in_units(cameras, 1000.0)), strict=True))
    for back, camera in zip(scaled(small, 1000.0), as_krt(cameras), strict=True):
        np.testing.assert_allclose(back.extrinsics, camera.extrinsics, rtol=1e-9, atol=1e-9)


def test_a_colmap_model_gives_the_same_cameras(tmp_path):
    pycolmap = pytest.importorskip("pycolmap")
    cameras, model = stage(), pycolmap.Reconstruction()
    for number, (name, viewmat, K) in enumerate(zip(cameras.names, cameras.viewmats, cameras.Ks, strict=True), start=1):
        camera = pycolmap.Camera(
            model="PINHOLE", width=cameras.width, height=cameras.height, camera_id=number,
            params=[K[0, 0], K[1, 1], K[0, 2], K[1, 2]],
        )  # fmt: skip
        model.add_camera_with_trivial_rig(camera)
        image = pycolmap.Image(name=f"{name}.png", camera_id=number, image_id=number)
        model.add_image_with_trivial_frame(image, pycolmap.Rigid3d(viewmat[:3]))
    (tmp_path / "sparse").mkdir()
    model.write(str(tmp_path / "sparse"))
    read = read_calibration(calibration_file(tmp_path))
    assert sorted(read) == sorted(cameras.names)
    for name, viewmat, K in zip(cameras.names, cameras.viewmats, cameras.Ks, strict=True):
        np.testing.assert_allclose(read[name].extrinsics, viewmat[:3], atol=1e-6)
        np.testing.assert_allclose(read[name].K, K, atol=1e-6)


def _in_units(cameras, millimeters):
    viewmats = cameras.viewmats.copy()
    viewmats[:, :3, 3] /= millimeters
    return replace(cameras, viewmats=viewmats)
