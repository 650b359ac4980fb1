import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from scipy.spatial import cKDTree

from splatrig.capture.demo.expressions import frame_weights
from splatrig.capture.demo.hair import grow_hair
from splatrig.capture.demo.head import EYES, MOUTH, TEETH, TONGUE, load_head, refine
from splatrig.capture.demo.identity import FIRST, SECOND
from splatrig.capture.demo.labels import label_pixels
from splatrig.capture.demo.lighting import stage_lights
from splatrig.capture.demo.render import pose_head, render, sample_offsets
from splatrig.capture.demo.rig import REST_POSE, head_poses
from splatrig.capture.demo.synthesize import load_rig, write_rig, write_segment
from splatrig.config.models import Demo
from splatrig.mesh.silhouette import silhouette
from support.demo_head import head_path

SMALL = Demo(person="first", cameras=4, image_height=64, samples=2, frames=2, tracking_noise_mm=0.15)
SEGMENT, PEAK = "E006_Jaw_Drop_Brows_Up", {"jawOpen": 0.8, "browInnerUp": 1.0}


def _write_rig(folder, seed):
    outputs = {"krt": str(folder / "KRT"), "tex_mean": str(folder / "tex_mean.png"), "rig": str(folder / "rig.npz")}
    write_rig(head_path(), SMALL, seed, 400, outputs)


def _write_segment(folder, out, seed):
    outputs = {name: str(out / name / SEGMENT) for name in ("images", "masks", "labels", "tracked_mesh")}
    write_segment(head_path(), folder / "rig.npz", SEGMENT, PEAK, SMALL, seed, outputs)


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    folder = tmp_path_factory.mktemp("capture")
    _write_rig(folder, seed=0)
    _write_segment(folder, folder, seed=0)
    return folder


def _obj(path):
    rows = {"v": [], "vt": [], "f": []}
    for line in path.read_text().splitlines():
        kind, *words = line.split()
        rows[kind].append([float(word) for word in words] if kind != "f" else [w.split("/") for w in words])
    return np.array(rows["v"]), np.array(rows["vt"]), np.array(rows["f"], dtype=int)


def test_layout_is_that_of_a_multiface_entity(capture):
    names = sorted(path.name for path in (capture / "images" / SEGMENT).iterdir())
    assert len(names) == 4 and all(re.fullmatch(r"4000\d\d", name) for name in names)
    frames = ["002052", "002055"]
    for name in names:
        for folder in ("images", "masks", "labels"):
            written = sorted(path.name for path in (capture / folder / SEGMENT / name).iterdir())
            assert written == [f"{frame}.png" for frame in frames]
    meshes = {path.name for path in (capture / "tracked_mesh" / SEGMENT).iterdir()}
    assert meshes == {f"{frame}{end}" for frame in frames for end in (".obj", ".bin", "_transform.txt")}
    with Image.open(capture / "tex_mean.png") as image:
        assert image.size == (1024, 1024)


def test_krt_has_blocks_of_nine_lines_unsorted_and_round_trips(capture):
    text = (capture / "KRT").read_text()
    assert text.endswith("\n\n")
    blocks = text.strip().split("\n\n")
    assert [len(block.splitlines()) for block in blocks] == [8] * 4
    names = [block.splitlines()[0] for block in blocks]
    assert names != sorted(names)
    cameras = load_rig(capture / "rig.npz").cameras
    for block in blocks:
        name, *rows = block.splitlines()
        numbers = [[float(word) for word in row.split()] for row in rows]
        index = cameras.names.index(name)
        np.testing.assert_allclose(numbers[:3], cameras.Ks[index], atol=1e-7)
        assert numbers[3] == [0.0] * 5
        np.testing.assert_allclose(numbers[4:], cameras.viewmats[index][:3], atol=1e-9)


def test_obj_is_the_posed_bin_with_one_topology_and_seams(capture):
    topologies = []
    for frame in ("002052", "002055"):
        stem = capture / "tracked_mesh" / SEGMENT / frame
        vertices, uvs, faces = _obj(stem.with_suffix(".obj"))
        head_space = np.fromfile(stem.with_suffix(".bin"), dtype="<f4").reshape(-1, 3)
        pose = np.loadtxt(f"{stem}_transform.txt")
        assert pose.shape == (3, 4)
        np.testing.assert_allclose(vertices, head_space @ pose[:, :3].T + pose[:, 3], atol=2e-4)
        assert len(uvs) > len(np.unique(faces[..., 0])) and len(np.unique(faces[..., 0])) < len(vertices)
        topologies.append((uvs, faces))
    np.testing.assert_array_equal(topologies[0][1], topologies[1][1])
    np.testing.assert_array_equal(topologies[0][0], topologies[1][0])


def test_meshes_are_linear_in_the_true_weights_up_to_the_noise(capture):
    head = load_head(head_path())
    fine, mesh = refine(head), load_rig(capture / "rig.npz").mesh
    rest = mesh.positions(fine.operator @ head.neutral)
    directions = {name: mesh.positions(fine.operator @ head.posed({name: 1.0})) - rest for name in PEAK}
    for frame, weights in zip(("002052", "002055"), frame_weights(PEAK, 2), strict=True):
        tracked = np.fromfile(capture / "tracked_mesh" / SEGMENT / f"{frame}.bin", dtype="<f4").reshape(-1, 3)
        expected = rest + sum(weights[name] * directions[name] for name in PEAK)
        assert (tracked - expected).std() == pytest.approx(0.15, rel=0.2)


def test_pictures_show_a_bright_head_before_a_stage(capture):
    rig = load_rig(capture / "rig.npz")
    for index, name in enumerate(rig.cameras.names):
        with Image.open(capture / "images" / SEGMENT / name / "002052.png") as image:
            picture = np.asarray(image)
        assert picture.shape == (64, rig.cameras.width, 3) and picture.dtype == np.uint8
        assert picture.mean() > 15 and picture.std() > 10
        K = rig.cameras.Ks[index]
        middle = rig.cameras.viewmats[index] @ np.append(head_poses(SEGMENT, 2, 0)[0][:, 3], 1.0)
        column, row, _ = (K @ middle[:3] / middle[2]).astype(int)
        assert picture[row, column, 0] > 30


def test_equal_seeds_give_equal_bytes_and_other_seeds_do_not(capture, tmp_path):
    _write_segment(capture, tmp_path / "same", seed=0)
    _write_segment(capture, tmp_path / "other", seed=1)
    written = [path for name in ("images", "masks", "labels") for path in (capture / name).rglob("*.png")]
    written += (capture / "tracked_mesh").rglob("*.bin")
    assert written
    for path in written:
        again = tmp_path / "same" / path.relative_to(capture)
        other = tmp_path / "other" / path.relative_to(capture)
        assert path.read_bytes() == again.read_bytes() != other.read_bytes()


def test_the_picture_agrees_with_projected_vertices(capture):
    """The silhouette of the traced picture is the set of pixels where the dense surface's vertices project."""
    head = load_head(head_path())
    fine, rig = refine(head), load_rig(capture / "rig.npz")
    vertices = fine.operator @ head.neutral
    pose = head_poses(SEGMENT, 1, 0)[0]
    cameras = rig.cameras.in_head_space(pose)
    posed = pose_head(fine, vertices, stage_lights(), pose)
    for index in range(len(cameras)):
        picture, _, rays = render(posed, rig.atlas, cameras, index, 4)
        assert 0 < rays <= 4 * cameras.width * cameras.height
        in_camera = vertices @ cameras.viewmats[index, :3, :3].T + cameras.viewmats[index, :3, 3]
        pixels = in_camera @ cameras.Ks[index].T
        columns, rows = np.floor(pixels[:, :2] / pixels[:, 2:]).astype(int).T
        inside = (columns >= 0) & (columns < cameras.width) & (rows >= 0) & (rows < cameras.height)
        covered = np.zeros((cameras.height, cameras.width), dtype=bool)
        covered[rows[inside], columns[inside]] = True
        seen = picture[..., 3] > 0
        assert (covered & ~seen).sum() <= 0.03 * covered.sum()
        assert (seen & ~covered).sum() <= 0.03 * covered.sum()


def test_mattes_hold_what_the_rays_met_and_reach_beyond_the_tracked_mesh_where_there_is_hair(capture):
    rig, pose = load_rig(capture / "rig.npz"), head_poses(SEGMENT, 2, 0)[0]
    cameras = rig.cameras.in_head_space(pose)
    stem = capture / "tracked_mesh" / SEGMENT / "002052"
    tracked = np.fromfile(stem.with_suffix(".bin"), dtype="<f4").reshape(-1, 3).astype(float)
    levels, beyond, lost = set(), 0.0, 0.0
    for index, name in enumerate(cameras.names):
        with Image.open(capture / "masks" / SEGMENT / name / "002052.png") as image:
            assert image.mode == "L" and image.size == (cameras.width, cameras.height)
            matte = np.asarray(image).astype(int)
        levels |= set(np.unique(matte).tolist())
        view = cameras.viewmats[index], cameras.Ks[index], cameras.width, cameras.height
        mesh = silhouette(tracked, rig.mesh.faces, *view).astype(int)
        beyond += np.maximum(matte - mesh, 0).sum() / mesh.sum()
        lost += np.maximum(mesh - matte, 0).sum() / mesh.sum()
    assert levels <= {0, 128, 255}  # two rays a pixel
    assert beyond / len(cameras) > 0.05 and lost / len(cameras) < 0.03


def test_labels_tell_the_parts_of_the_head_apart_where_its_matte_is(capture):
    """What is labeled as the mouth lies between its vertices, and hair lies above it."""
    rig, (pose, _), head = load_rig(capture / "rig.npz"), head_poses(SEGMENT, 2, 0), load_head(head_path())
    vertices = head.posed(frame_weights(PEAK, 2)[0])
    inside = vertices[np.unique(head.quads[np.isin(head.parts, (MOUTH, TEETH, TONGUE))])]
    found = set()
    for index, name in enumerate(rig.cameras.names):
        with Image.open(capture / "labels" / SEGMENT / name / "002052.png") as image:
            assert image.mode == "L"
            labels = np.asarray(image)
        with Image.open(capture / "masks" / SEGMENT / name / "002052.png") as image:
            assert_array_equal(labels > 0, np.asarray(image) > 0)
        found |= set(np.unique(labels).tolist())
        view = rig.cameras.in_head_space(pose).select([index])
        pixels = (inside @ view.viewmats[0, :3, :3].T + view.viewmats[0, :3, 3]) @ view.Ks[0].T
        pixels = pixels[:, :2] / pixels[:, 2:]
        rows, columns = np.nonzero(labels == 2)
        if len(rows):
            assert pixels[:, 0].min() - 1 < columns.min() and columns.max() < pixels[:, 0].max() + 1
            assert pixels[:, 1].min() - 1 < rows.min() and rows.max() < pixels[:, 1].max() + 1
            assert np.nonzero(labels == 4)[0].mean() < rows.mean()
    assert found == {0, 1, 2, 3, 4}


def test_a_pixel_is_what_most_of_its_rays_meet():
    labels = np.array([1, 1, 3, 4], dtype=np.uint8)
    met = np.array([[[0, 1, 2, -1], [-1, -1, -1, 3], [-1, -1, -1, -1], [0, 3, 3, 1]]], dtype=np.int32)
    assert_array_equal(label_pixels(met, labels), [[1, 4, 0, 4]])


def test_hair_stands_still_and_lashes_follow_the_lids(head, fine, capture):
    rig = load_rig(capture / "rig.npz")
    open_eyes, shut_eyes = (fine.operator @ head.posed({unit: 1.0}) for unit in ("jawOpen", "eyeBlinkLeft"))
    before, after = (rig.lashes.posed(vertices).points for vertices in (open_eyes, shut_eyes))
    left = before[:, 0, 0] > 0.0
    assert_allclose(before[~left], after[~left], atol=0.05)  # the left eye's unit moves a little skin on the right
    upper = left & (rig.lashes.curls > 0.0)
    assert (before[upper, 0, 1] - after[upper, 0, 1]).mean() > 4.0
    lights = stage_lights()
    heads = [pose_head(fine, v, lights, REST_POSE, rig.hair, rig.lashes) for v in (open_eyes, shut_eyes)]
    strands = slice(len(open_eyes), len(open_eyes) + len(rig.hair.vertices))
    assert_array_equal(heads[0].normals[strands], heads[1].normals[strands])


def test_the_two_people_have_other_hair_that_grows_from_the_scalp(fine):
    for person in (FIRST, SECOND):
        own = load_head(head_path(), person)
        surface = fine.operator @ own.neutral
        hair = grow_hair(own, fine, person.hair, np.random.default_rng(1))
        distance, _ = cKDTree(surface).query(hair.points[:, 0])
        assert distance.max() < 6.0 and hair.points[:, 0, 1].min() > -60.0
        reach, _ = cKDTree(surface).query(hair.points[:, -1])
        assert 5.0 < np.median(reach) < 30.0
        again = grow_hair(own, fine, person.hair, np.random.default_rng(1))
        assert_array_equal(hair.vertices, again.vertices)
    assert FIRST.hair != SECOND.hair


def test_a_look_to_the_side_moves_the_iris_and_its_eyeball_stays_a_ball(head):
    eye = np.unique(head.quads[head.parts == EYES])
    eye = eye[head.neutral[eye, 0] > 0]
    center = head.neutral[eye].mean(axis=0)
    looking = head.posed({"eyeLookOutLeft": 1.0})[eye]
    pole = np.argmax(head.neutral[eye, 2])
    assert looking[pole, 0] - head.neutral[eye][pole, 0] > 3.0
    radii = np.linalg.norm(looking - center, axis=1), np.linalg.norm(head.neutral[eye] - center, axis=1)
    np.testing.assert_allclose(radii[0], radii[1], atol=1e-6)


def test_samples_fill_the_pixel_evenly():
    offsets = sample_offsets(16)
    assert offsets.min() >= 0.0 and offsets.max() < 1.0
    np.testing.assert_allclose(offsets.mean(axis=0), 0.5, atol=0.05)
