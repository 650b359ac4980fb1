"""Restructuring a tiny capture: what is written, what is refused, and that threads do not matter."""

import filecmp
import logging
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from splatrig.capture.calibration import calibrated_cameras, raw_image_sizes
from splatrig.capture.color import correction_table
from splatrig.capture.krt import read_krt, write_krt
from splatrig.capture.layout import CaptureLayout
from splatrig.capture.plates import PlateSource, take_plates
from splatrig.capture.restructure import restructure
from splatrig.dataset.pose import read_pose
from splatrig.dataset.reduced import read_reduced
from splatrig.io.errors import InputError
from splatrig.mesh.normals import vertex_normals
from splatrig.mesh.obj import read_obj, write_obj
from splatrig.mesh.ply import read_ply
from splatrig.mesh.subdivision import subdivide
from support.raw_capture import (
    HEAD,
    HEIGHT,
    NEUTRAL,
    OPTIONS,
    SMILE,
    STAGE,
    UNREFERENCED,
    WIDTH,
    RawCapture,
    cameras_of,
    run,
    stage_cameras,
)


def test_meshes_poses_and_levels_are_those_of_the_capture(raw, tmp_path):
    rows = run(raw, tmp_path / "out")
    assert [row.frame for row in rows] == ["000100", "000109"]
    for row in rows:
        folder, frame = tmp_path / "out" / row.frame, row.frame
        head = raw.head[SMILE, frame][UNREFERENCED:]
        mesh = read_obj(folder / f"{frame}.obj")
        assert_allclose(mesh.vertices, head, atol=1e-6)
        assert_array_equal(mesh.faces, raw.faces - UNREFERENCED)
        assert mesh.uv_faces is not None
        assert_array_equal(read_pose(folder / f"{frame}_transform.txt"), raw.poses[SMILE, frame])
        vertices, faces = head, mesh.faces
        for suffix in ("", "_subd", "_subd2"):
            ply = read_ply(folder / f"{frame}{suffix}.ply")
            assert_allclose(ply.vertices, vertices, atol=1e-4)
            assert_array_equal(ply.faces, faces)
            assert_allclose(ply.normals, vertex_normals(vertices, faces), atol=1e-6)
            assert ply.colors is not None
            step = subdivide(faces, len(vertices))
            vertices, faces = step.step @ vertices, step.faces


def test_photographs_carry_the_silhouette_of_the_tracked_mesh(raw, tmp_path):
    run(raw, tmp_path / "out")
    for camera in stage_cameras(raw.cameras):
        rgba = np.asarray(Image.open(tmp_path / "out" / "000109" / f"{camera.name}.png"))
        assert rgba.shape == (HEIGHT, WIDTH, 4)
        truth = raw.true_silhouette(SMILE, "000109", camera)
        assert_allclose(rgba[..., 3].astype(int), truth.astype(int), atol=8)
        assert_array_equal(rgba[..., :3], np.asarray(Image.open(raw.image(SMILE, camera.name, "000109"))))
        assert 50 < (rgba[..., 3] > 0).sum() < WIDTH * HEIGHT - 50


def test_without_silhouettes_photographs_are_opaque_and_colors_are_corrected(raw, tmp_path):
    run(raw, tmp_path / "out", background="none", color="multiface_gamma")
    rgba = np.asarray(Image.open(tmp_path / "out" / "000100" / "400002.png"))
    table = correction_table("multiface_gamma")
    assert_array_equal(rgba[..., 3], 255)
    assert_array_equal(rgba[0, 0, :3], table[STAGE, [0, 1, 2]])
    assert_array_equal(rgba[HEIGHT // 2, WIDTH // 2, :3], table[HEAD, [0, 1, 2]])


def test_scaled_photographs_and_silhouettes_stay_aligned(raw, tmp_path):
    run(raw, tmp_path / "out", image_scale=0.5)
    rgba = np.asarray(Image.open(tmp_path / "out" / "000100" / "400017.png")).astype(float)
    assert rgba.shape == (HEIGHT // 2, WIDTH // 2, 4)
    alpha = rgba[..., 3:] / 255
    assert_allclose(rgba[..., :3], alpha * HEAD + (1 - alpha) * STAGE, atol=6)  # 4 of 64 samples


def test_rows_say_where_things_came_from_and_which_frame_is_neutral(raw, tmp_path):
    rows = run(raw, tmp_path / "a", NEUTRAL)
    assert [row.neutral for row in rows] == [True, False]
    assert rows[0].mesh == f"tracked_mesh/{NEUTRAL}/000100.obj"
    assert rows[0].pose == f"tracked_mesh/{NEUTRAL}/000100_transform.txt"
    assert {row.image_count for row in rows} == {3}
    assert not any(row.neutral for row in run(raw, tmp_path / "b"))


def test_the_number_of_threads_changes_nothing(raw, tmp_path):
    assert run(raw, tmp_path / "one", threads=1) == run(raw, tmp_path / "three", threads=3)
    comparison = filecmp.dircmp(tmp_path / "one", tmp_path / "three")
    assert comparison.common_dirs == ["000100", "000109"]
    for sub in comparison.subdirs.values():
        assert not sub.left_only + sub.right_only
        _, different, errors = filecmp.cmpfiles(sub.left, sub.right, sub.common_files, shallow=False)
        assert not different + errors


def test_frames_with_holes_are_left_out(raw, tmp_path, caplog):
    raw.tracked(SMILE, "000100.obj").unlink()
    raw.tracked(SMILE, "000103_transform.txt").unlink()
    for camera in ("400017", "400002"):
        raw.image(SMILE, camera, "000106").unlink()
    with caplog.at_level(logging.WARNING):
        rows = run(raw, tmp_path / "out")
    assert [(row.frame, row.image_count) for row in rows] == [("000109", 3)]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["000109"]
    assert "E002_Smile/000100: no mesh; left out" in caplog.text
    assert "E002_Smile/000106: no image of camera 400002, 400017; left out" in caplog.text


@pytest.mark.parametrize("background", ["silhouette", "masks", "plate"])
def test_a_missing_photograph_costs_that_photograph_alone(raw, tmp_path, caplog, background):
    raw.write_masks(SMILE)
    raw.write_plates()
    plates = tmp_path / "plates"
    plates.mkdir()
    take_plates(PlateSource(CaptureLayout(raw.root), cameras_of(raw), 1.0, None), raw.root / "plates", plates)
    options = {"background": background, "plates": plates, "frames_per_expression": 4}
    whole = run(raw, tmp_path / "whole", **options)
    raw.image(SMILE, "400002", "000103").unlink()
    with caplog.at_level(logging.WARNING):
        rows = run(raw, tmp_path / "out", **options)
    assert [row.image_count for row in whole] == [3, 3, 3, 3]
    assert [row.image_count for row in rows] == [3, 2, 3, 3]
    made = {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.png")}
    all_of_them = {path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*.png")}
    assert all_of_them - made == {Path("000103/400002.png")}
    if background != "plate":  # whose hull is of all cameras
        assert all((tmp_path / "out" / one).read_bytes() == (tmp_path / "whole" / one).read_bytes() for one in made)
    assert f"{SMILE}: 1 of 12 images are missing" in caplog.text
    assert "1 of camera 400002" in caplog.text


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("background", ["silhouette", "masks", "plate", "none"])
def test_images_that_an_undistorter_cut_shorter_lose_what_it_cut(raw, tmp_path, background, scale):
    """Only the camera's own pixels count: beyond them images are black and transparent, and nothing else changes."""
    for segment in (NEUTRAL, SMILE):
        raw.write_masks(segment)
    raw.write_plates()
    options = {"background": background, "image_scale": scale}
    sizes = dict.fromkeys(raw.cameras, (WIDTH, HEIGHT))
    for kind in ("whole", "cut"):
        cameras = calibrated_cameras(read_krt(raw.root / "KRT"), sizes).scaled(scale)
        plates = tmp_path / f"plates_{kind}"
        plates.mkdir()
        take_plates(PlateSource(CaptureLayout(raw.root), cameras, scale, None), raw.root / "plates", plates)
        (tmp_path / kind).mkdir()
        settings = replace(OPTIONS, **options)
        restructure(CaptureLayout(raw.root), SMILE, cameras, settings, tmp_path / kind, plates=plates)
        sizes = {**sizes, "400017": (WIDTH - 2, HEIGHT - 4)}
        for path in [*raw.root.rglob("*/400017/*.png"), raw.root / "plates" / "400017.png"]:
            with Image.open(path) as image:
                cut = image.crop((0, 0, *sizes["400017"]))
            cut.save(path)
    width, height = round(scale * (WIDTH - 2)), round(scale * (HEIGHT - 4))
    for path in (tmp_path / "whole").rglob("*.png"):
        whole, cut = (
            np.asarray(Image.open(each)) for each in (path, tmp_path / "cut" / path.relative_to(tmp_path / "whole"))
        )
        assert cut.shape == whole.shape
        if path.stem != "400017":
            assert_array_equal(cut, whole)
            continue
        assert not cut[height:].any()
        assert not cut[:, width:].any()
        assert_array_equal(cut[:height, :width, :3], whole[:height, :width, :3])
        if background != "plate":  # whose mattes look at neighbors
            assert_array_equal(cut[:height, :width], whole[:height, :width])


def test_portrait_and_landscape_share_a_square(raw, tmp_path):
    turned = (HEIGHT, WIDTH)
    for path in raw.root.rglob("*/400017/*.png"):
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (*turned[::-1], 3), np.uint8)).save(path)
    krt = read_krt(raw.root / "KRT")
    K = krt["400017"].K.copy()
    K[:2, 2] = np.array(turned) / 2
    krt["400017"] = replace(krt["400017"], K=K)
    write_krt(raw.root / "KRT", krt.values())
    layout = CaptureLayout(raw.root)
    cameras = calibrated_cameras(krt, raw_image_sizes(layout, SMILE, raw.cameras))
    assert (cameras.width, cameras.height) == (HEIGHT, HEIGHT)
    restructure(layout, SMILE, cameras, replace(OPTIONS, background="none"), tmp_path / "out")
    for path in (tmp_path / "out").rglob("*.png"):
        width, height = turned if path.stem == "400017" else (WIDTH, HEIGHT)
        alpha = np.asarray(Image.open(path))[..., 3]
        assert alpha.shape == (HEIGHT, HEIGHT)
        assert alpha[:height, :width].min() == 255
        assert alpha.sum() == 255 * width * height


def test_a_camera_without_an_image_of_a_segment_is_named(raw, tmp_path, caplog):
    for frame in raw.frames(SMILE):
        raw.image(SMILE, "400017", frame).unlink()
    with caplog.at_level(logging.WARNING):
        rows = run(raw, tmp_path / "out")
    assert [row.image_count for row in rows] == [2, 2]
    assert "4 of 12 images are missing; their frames are used without them: 4 of camera 400017" in caplog.text


def test_cameras_that_lack_a_segment_end_it_where_few_are_left(raw, tmp_path):
    for frame in raw.frames(SMILE):
        for camera in ("400017", "400002"):
            raw.image(SMILE, camera, frame).unlink()
    with pytest.raises(InputError, match=r"4 have no image of camera 400002, 4 .* 400017\); .* leave out cameras"):
        run(raw, tmp_path / "out")


def test_a_head_that_moves_in_head_space_is_named_and_others_are_not(raw, tmp_path, caplog):
    path = raw.tracked(SMILE, "000109.bin")
    np.fromfile(path, "<f4").reshape(-1, 3).__add__([50.0, 0.0, 0.0]).astype("<f4").tofile(path)
    raw.tracked(SMILE, "000109.obj").write_text(_moved(raw.tracked(SMILE, "000109.obj").read_text(), raw, "000109"))
    with caplog.at_level(logging.WARNING):
        rows = run(raw, tmp_path / "out")
    assert "000109" in [row.frame for row in rows]
    assert f"{SMILE}/000109: in head space the tracked head is moved by 50 mm and rotated by 0°" in caplog.text
    assert caplog.text.count("in head space") == 1


def _moved(obj, raw, frame):
    """An OBJ in world space whose head has moved by 50 mm along x in head space."""
    step = raw.poses[SMILE, frame][:, :3] @ [50.0, 0.0, 0.0]
    lines = [line.split() for line in obj.splitlines()]
    moved = [["v", *(np.array(line[1:4], float) + step).astype(str)] if line[:1] == ["v"] else line for line in lines]
    return "\n".join(" ".join(line) for line in moved) + "\n"


def test_a_photograph_of_one_color_is_named(raw, tmp_path):
    path = raw.image(SMILE, "400017", "000109")
    Image.new("RGB", (WIDTH, HEIGHT), (3, 3, 3)).save(path)
    with pytest.raises(InputError, match=r"000109\.png: expected a photograph of the head, got one color all over"):
        run(raw, tmp_path / "out")


def test_holes_can_be_refused(raw, tmp_path):
    raw.image(SMILE, "400017", "000106").unlink()
    with pytest.raises(InputError, match="frame E002_Smile/000106 has no image of camera 400017"):
        run(raw, tmp_path / "out", holes="refuse")


def test_an_expression_without_any_image_is_a_sentence(raw, tmp_path):
    for frame in raw.frames(SMILE):
        for camera in raw.cameras:
            raw.image(SMILE, camera, frame).unlink()
    with pytest.raises(InputError, match="none of the 4 frames of E002_Smile has a mesh, a pose and an image"):
        run(raw, tmp_path / "out")


def test_frames_come_from_the_meshes_where_there_is_no_list(raw, tmp_path):
    (raw.root / "frame_list.txt").unlink()
    (raw.root / "tex_mean.png").unlink()
    for path in [*raw.root.rglob("*.obj"), *raw.root.rglob("*.png")]:
        path.with_name(f"._{path.name}").write_bytes(b"what macOS leaves on disks of others")
    assert raw_image_sizes(CaptureLayout(raw.root), SMILE, raw.cameras) == dict.fromkeys(raw.cameras, (WIDTH, HEIGHT))
    rows = run(raw, tmp_path / "out")
    assert [row.frame for row in rows] == ["000100", "000109"]
    assert read_ply(tmp_path / "out" / "000100" / "000100.ply").colors is None


def truncate(path):
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda raw: truncate(raw.image(SMILE, "400017", "000109")), r"400017/000109\.png: cannot be read"),
        (lambda raw: raw.image(SMILE, "400017", "000109").write_bytes(b""), r"400017/000109\.png: cannot be read"),
        (
            lambda raw: Image.new("RGB", (23, 36)).save(raw.image(SMILE, "400030", "000100")),
            r"400030/000100\.png: expected .* 24×36 .* got 23×36",
        ),
        (
            lambda raw: Image.new("I;16", (24, 36)).save(raw.image(SMILE, "400030", "000100")),
            r"400030/000100\.png: expected 8 bits per channel, got 16",
        ),
        (
            lambda raw: raw.tracked(SMILE, "000109_transform.txt").write_text("1 0 0 nan\n0 1 0 0\n0 0 1 0\n"),
            "000109_transform.txt line 1: head pose: expected finite",
        ),
        (
            lambda raw: write_obj(raw.tracked(SMILE, "000109.obj"), np.zeros((167, 3)), raw.faces[::-1]),
            r"000109\.obj: another topology than .*E001_Neutral/000100\.obj",
        ),
    ],
)
def test_bad_input_is_named(raw, tmp_path, spoil, words):
    spoil(raw)
    with pytest.raises(InputError, match=words):
        run(raw, tmp_path / "out", threads=2)


def test_an_expression_that_is_not_there_or_not_listed_is_a_sentence(raw, tmp_path):
    with pytest.raises(InputError, match="segment E003 has no tracked meshes"):
        run(raw, tmp_path / "out", "E003")
    raw.tracked("E003", "").mkdir()
    with pytest.raises(InputError, match="segment E003 is not listed"):
        run(raw, tmp_path / "out", "E003")


@pytest.mark.parametrize(("space", "with_bin"), [("head", True), ("world", False), ("head", False)])
def test_captures_in_either_space_give_the_same_data_set(raw, tmp_path, space, with_bin):
    other = RawCapture(tmp_path / "other", space=space, with_bin=with_bin).write()
    assert run(raw, tmp_path / "a") == run(other, tmp_path / "b")
    for name in ("000109/000109_subd2.ply",):
        a, b = read_ply(tmp_path / "a" / name), read_ply(tmp_path / "b" / name)
        assert_allclose(a.vertices, b.vertices, atol=1e-4)
    for camera in raw.cameras:
        pictures = [np.asarray(Image.open(tmp_path / x / "000109" / f"{camera}.png")).astype(int) for x in "ab"]
        assert_allclose(pictures[0], pictures[1], atol=8)


@pytest.mark.parametrize("world_to_camera", [np.diag([1, 1, 1, 1e-3]), np.diag([1, -1, -1, 1])])
def test_cameras_of_another_unit_or_convention_are_refused(raw, tmp_path, world_to_camera):
    cameras = [
        replace(camera, extrinsics=world_to_camera[:3, :3] @ camera.extrinsics * [1, 1, 1, world_to_camera[3, 3]])
        for camera in stage_cameras(raw.cameras)
    ]
    write_krt(raw.root / "KRT", cameras)
    with pytest.raises(InputError, match="E002_Smile/000100: no vertex of the tracked mesh is in the image of any"):
        run(raw, tmp_path / "out")


def test_a_camera_that_does_not_see_the_head_is_named(raw, tmp_path, caplog):
    first, *others = stage_cameras(raw.cameras)
    write_krt(raw.root / "KRT", [replace(first, K=first.K * [[1, 1, 30], [1, 1, 1], [1, 1, 1]]), *others])
    run(raw, tmp_path / "out")
    assert "E002_Smile/000100: camera 400030 does not see the head" in caplog.text


def test_names_of_frames_may_have_dashes_and_dots(raw, tmp_path):
    (raw.root / "frame_list.txt").unlink()
    for path in sorted(raw.root.rglob("0001*")):
        path.rename(path.with_name(f"take-2.{path.name}"))
    rows = run(raw, tmp_path / "out", frames_per_expression=4)
    assert [row.frame for row in rows] == [f"take-2.{number:06d}" for number in (100, 103, 106, 109)]
    for row in rows:
        assert {path.name for path in (tmp_path / "out" / row.frame).glob("*.png")} == {
            f"{camera}.png" for camera in raw.cameras
        }
        read_obj(tmp_path / "out" / row.frame / f"{row.frame}.obj")
        read_pose(tmp_path / "out" / row.frame / f"{row.frame}_transform.txt")


@pytest.mark.parametrize("name", ["take 1", "a{b}", "ü1", "-1"])
def test_other_names_of_frames_are_refused_with_the_file(raw, name):
    (raw.root / "frame_list.txt").unlink()
    path = raw.tracked(SMILE, "000103.obj")
    path.rename(path.with_name(f"{name}.obj"))
    with pytest.raises(InputError, match=re.escape(f"{SMILE}/{name}.obj: expected a name of letters, digits")):
        CaptureLayout(raw.root).frames(SMILE, ())


def test_reduced_photographs_have_the_meshes_around_each_frame(raw, tmp_path):
    run(raw, tmp_path / "out", frames_per_expression=1, frame_selection="first")
    (folder,) = (tmp_path / "out").iterdir()
    frame = read_reduced(folder, cameras_of(raw))
    assert sorted(frame.meshes) == [0, 1]
    following = raw.frames(SMILE)[1]
    assert frame.meshes[1].frame == following
    assert_allclose(frame.meshes[1].vertices, raw.head[SMILE, following][UNREFERENCED:], atol=1e-4)
    assert_array_equal(frame.meshes[1].head_to_world, raw.poses[SMILE, following])
    assert len(set(frame.digests)) == len(raw.cameras)


def test_a_broken_mesh_that_is_not_used_is_no_neighbor(raw, tmp_path):
    raw.tracked(SMILE, f"{raw.frames(SMILE)[1]}.obj").write_text("v 0 0 0\n")
    run(raw, tmp_path / "out", frames_per_expression=1, frame_selection="first")
    (folder,) = (tmp_path / "out").iterdir()
    assert sorted(read_reduced(folder, cameras_of(raw)).meshes) == [0]
