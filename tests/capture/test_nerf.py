"""VHAP's export: flipped principal points, unions, cameras that move, and what is said of wrong files."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from splatrig.capture.frame_selection import usable_frames
from splatrig.capture.krt import read_krt
from splatrig.capture.nerf import NerfCapture
from splatrig.io.errors import InputError
from support.raw_capture import HEIGHT, NEUTRAL, SMILE, WIDTH
from support.releases import Source, write_nerf


@pytest.fixture
def union(raw, tmp_path):
    for segment in (NEUTRAL, SMILE):
        raw.write_masks(segment)
    return write_nerf(Source.of(raw.root), tmp_path / "export")


def change(path, spoil):
    document = json.loads(path.read_text())
    spoil(document["frames"])
    path.write_text(json.dumps(document))


def test_principal_points_are_counted_from_the_upper_border(raw, union):
    krt = read_krt(raw.root / "KRT")
    found = NerfCapture(union).calibration()
    assert set(found) == set(krt)
    assert any(abs(2 * camera.K[1, 2] - HEIGHT) > 1 for camera in krt.values())
    for name, camera in krt.items():
        assert_allclose(found[name].K, camera.K, rtol=0, atol=1e-6)
        assert found[name].size == (WIDTH, HEIGHT)


def test_one_sequence_is_one_segment_named_after_its_folder(union):
    single = NerfCapture(union.parent / SMILE)
    assert single.segments() == [SMILE]
    assert [files.frame for files in single.frames(SMILE, ())] == ["00000", "00001", "00002", "00003"]
    assert single.krt.name == "transforms.json"
    with pytest.raises(InputError, match=f"no sequence is named {NEUTRAL}, there are {SMILE}"):
        single.frames(NEUTRAL, ())


def test_a_union_has_its_sequences_as_segments_in_one_world(union):
    capture = NerfCapture(union)
    assert capture.segments() == [NEUTRAL, SMILE]
    alone = {name: NerfCapture(union.parent / name) for name in (NEUTRAL, SMILE)}
    camera = sorted(alone[NEUTRAL].calibration())[0]
    separate = [alone[name].calibration()[camera].extrinsics for name in (NEUTRAL, SMILE)]
    assert np.abs(separate[0] - separate[1]).max() > 0.1, "each export has a world of its own"
    assert_allclose(capture.calibration()[camera].extrinsics, separate[0], rtol=0, atol=1e-9)


def test_a_pose_is_the_motion_of_the_head_and_not_of_the_jaw(raw, union):
    capture = NerfCapture(union)
    tracker = capture.tracker(capture.frames(NEUTRAL, ())[0])
    last = capture.frames(SMILE, ())[-1]
    turn = raw.poses[SMILE, raw.frames(SMILE)[-1]][:, :3]
    assert_allclose(tracker.read(last).head_to_world[:, :3], turn, rtol=0, atol=1e-7)


def test_without_a_canonical_mesh_the_first_frame_is_at_rest(union):
    for path in union.parent.rglob("canonical.obj"):
        path.unlink()
    capture = NerfCapture(union)
    first = capture.frames(NEUTRAL, ())[0]
    pose = capture.tracker(first).read(first).head_to_world
    assert_allclose(pose, np.eye(4)[:3], rtol=0, atol=1e-9)


def test_a_camera_that_moves_with_the_rig_is_a_head_that_moves(union):
    """As in a video of one camera: what it sees stays, and its place in the world is that of the first frame."""
    root = union.parent / NEUTRAL
    before = NerfCapture(root)
    seen = [_seen(before, files, "400002") for files in before.frames(NEUTRAL, ())]
    turn = np.array([[0.0, 0, 1, 0.3], [0, 1, 0, 0.1], [-1, 0, 0, 0], [0, 0, 0, 1]])

    def move(frames):
        kept = [entry for entry in frames if entry["camera_id"] == "400002"]
        for entry in kept[1:]:
            entry["transform_matrix"] = (turn @ np.array(entry["transform_matrix"])).tolist()
        frames[:] = kept

    change(root / "transforms.json", move)
    for number in (1, 2):
        path = root / "meshes" / f"{number:05d}.obj"
        lines = [line.split() for line in path.read_text().splitlines()]
        points = np.array([line[1:] for line in lines if line[0] == "v"], float) @ turn[:3, :3].T + turn[:3, 3]
        rest = [" ".join(line) for line in lines if line[0] != "v"]
        path.write_text("\n".join([*(f"v {x:.12f} {y:.12f} {z:.12f}" for x, y, z in points), *rest]) + "\n")
    after = NerfCapture(root)
    for files, mine in zip(after.frames(NEUTRAL, ()), seen, strict=True):
        assert_allclose(_seen(after, files, "400002"), mine, rtol=0, atol=1e-5)


def _seen(capture, files, camera):
    """The tracked mesh in the space of a camera [V, 3]."""
    tracked = capture.tracker(capture.frames(NEUTRAL, ())[0]).read(files)
    world = tracked.vertices @ tracked.head_to_world[:, :3].T + tracked.head_to_world[:, 3]
    extrinsics = capture.calibration()[camera].extrinsics
    return world @ extrinsics[:, :3].T + extrinsics[:, 3]


def test_missing_photographs_and_masks_are_holes(union):
    (union.parent / SMILE / "images" / "00001_01.png").unlink()
    (union.parent / SMILE / "fg_masks" / "00002_00.png").unlink()
    (union.parent / SMILE / "meshes" / "00003.obj").unlink()
    capture = NerfCapture(union)
    cameras = ("400002", "400017", "400030")
    frames = usable_frames(capture, SMILE, cameras, "skip", masks=True)
    assert {files.frame: files.cameras for files in frames} == {
        "00000": cameras,
        "00001": ("400002", "400030"),
        "00002": ("400017", "400030"),
    }


def test_masks_are_those_of_the_export(raw, union):
    found = NerfCapture(union).matte(SMILE, "400017", "00003", WIDTH, HEIGHT)
    assert_array_equal(found, np.asarray(Image.open(raw.mask(SMILE, "400017", raw.frames(SMILE)[3]))))


def _other_intrinsics(frames):
    frames[-1]["fl_x"] *= 1.01


def _shaken(frames):
    frames[-1]["transform_matrix"][0][3] += 0.002


def _without(key):
    return lambda frames: frames[3].pop(key)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_other_intrinsics, "camera 400030 has other intrinsics at .*00002_02.png than before"),
        (_shaken, r"frame E001_Neutral/00002: camera 400030 has moved against camera 400002 by 2 mm"),
        (_without("fl_x"), r"frames\[3\]: not a photograph of VHAP's export \(KeyError\('fl_x'\)\)"),
        (_without("transform_matrix"), r"frames\[3\]: not a photograph"),
        (lambda frames: frames[0].update(cx=float("nan")), r"frames\[0\]: expected finite numbers"),
        (lambda frames: frames[0].update(transform_matrix=np.diag([1, 1, -1, 1]).tolist()), "got a reflection"),
        (lambda frames: frames[-1].update(camera_id="new", file_path="images/00009_09.png"), "no camera in common"),
    ],
)
def test_a_wrong_list_is_one_sentence(union, spoil, words):
    root = union.parent / NEUTRAL
    change(root / "transforms.json", spoil)
    with pytest.raises(InputError, match=rf"transforms\.json.*{words}"):
        NerfCapture(root).calibration()


def test_an_export_without_meshes_says_what_to_export(union):
    root = union.parent / NEUTRAL
    change(root / "transforms.json", lambda frames: [entry.pop("mesh_path") for entry in frames])
    with pytest.raises(InputError, match=r"expected photographs with a mesh_path, .* export with flame_mode=mesh"):
        NerfCapture(root).segments()


def test_meshes_in_millimetres_are_refused(union):
    root = union.parent / NEUTRAL
    for path in [*root.glob("meshes/*.obj"), root / "canonical.obj"]:
        lines = [line.split() for line in path.read_text().splitlines()]
        big = [["v", *(str(1000 * float(x)) for x in line[1:])] if line[0] == "v" else line for line in lines]
        path.write_text("\n".join(" ".join(line) for line in big) + "\n")
    capture = NerfCapture(root)
    first = capture.frames(NEUTRAL, ())[0]
    with pytest.raises(InputError, match=r"00000\.obj: the tracked mesh is .* mm from corner to corner"):
        capture.tracker(first).read(first)


def test_a_folder_without_lists_is_named(tmp_path):
    with pytest.raises(InputError, match=r"expected transforms\.json, or transforms_train\.json"):
        NerfCapture(tmp_path).segments()
    (tmp_path / "transforms.json").write_text("[1, 2")
    with pytest.raises(InputError, match=r"transforms\.json: not a list of photographs"):
        NerfCapture(tmp_path).segments()
