"""Every format gives the data set that the raw layout gives."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from splatrig.capture import codec_avatars
from splatrig.capture.calibration import calibrated_cameras, choose_camera_names, raw_image_sizes
from splatrig.capture.formats import READ_IN_PLACE, open_capture
from splatrig.capture.layout import CaptureLayout
from splatrig.capture.restructure import restructure
from splatrig.dataset.pose import read_pose
from splatrig.mesh.obj import read_obj
from splatrig.mesh.ply import read_ply
from support import releases
from support.raw_capture import HEIGHT, NEUTRAL, OPTIONS, SMILE, WIDTH
from support.releases import Source

GEOMETRY_MM = 1e-5
"""Positions are float32, and files have as many digits."""
PIXELS = 1e-6
"""Pixels: what projects, at 0.1 pixels a millimeter."""
CODEC_LEVELS = 3
"""Gray levels that AVIF at quality 100 without subsampling loses."""
WRITERS = {"ava256": releases.write_ava256, "goliath": releases.write_goliath, "nerf": releases.write_nerf}


@pytest.fixture(scope="module", params=WRITERS)
def source(request):
    return request.param


@pytest.fixture(scope="module")
def captures(pristine, source, tmp_path_factory):
    """The raw capture, and a reader of the same in another format."""
    folder = tmp_path_factory.mktemp(source)
    shutil.copytree(pristine.root, folder / "raw")
    raw = replace(pristine, root=folder / "raw")
    for segment in (NEUTRAL, SMILE):
        raw.write_masks(segment)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec_avatars, "SENSOR", releases.SENSOR)
        yield CaptureLayout(raw.root), open_capture(source, WRITERS[source](Source.of(raw.root), folder / "capture"))


def cameras_of(capture):
    krt = capture.calibration()
    names = choose_camera_names(capture, NEUTRAL, "all", set(krt))
    return calibrated_cameras(krt, raw_image_sizes(capture, NEUTRAL, names))


def seen_from_cameras(capture, segment):
    """By frame the tracked mesh in the space of each camera [C, V, 3], and its intrinsics [C, 3, 3]."""
    cameras = cameras_of(capture)
    frames = capture.frames(segment, cameras.names)
    tracker = capture.tracker(capture.frames(NEUTRAL, ())[0])
    seen = []
    for files in frames:
        tracked = tracker.read(files)
        views = cameras.in_head_space(tracked.head_to_world).viewmats
        seen.append(tracked.vertices @ views[:, :3, :3].mT + views[:, None, :3, 3])
    return np.stack(seen), cameras.Ks


def test_sources_that_are_read_in_place_have_a_reader(tmp_path):
    assert {"local", "ava256", "goliath", "nerf"} == set(READ_IN_PLACE)
    assert isinstance(open_capture("multiface", tmp_path), CaptureLayout)


def test_segments_cameras_and_frames_are_those_of_the_raw_capture(captures):
    raw, other = captures
    assert other.segments() == raw.segments()
    mine, theirs = cameras_of(raw), cameras_of(other)
    assert theirs.names == mine.names
    assert (theirs.width, theirs.height) == (WIDTH, HEIGHT)
    for segment in raw.segments():
        frames = other.frames(segment, theirs.names)
        assert len(frames) == len(raw.frames(segment, ()))
        assert all(files.cameras == files.masked == theirs.names for files in frames)
        assert all(files.mesh and files.pose for files in frames)


@pytest.mark.parametrize("segment", [NEUTRAL, SMILE])
def test_cameras_see_the_same_mesh(captures, segment):
    raw, other = captures
    (mine, mine_K), (theirs, theirs_K) = (seen_from_cameras(capture, segment) for capture in (raw, other))
    assert_allclose(theirs, mine, rtol=0, atol=GEOMETRY_MM)
    assert_allclose(theirs_K, mine_K, rtol=0, atol=PIXELS)


def test_a_data_set_is_that_of_the_raw_capture(captures, tmp_path):
    raw, other = captures
    options = replace(OPTIONS, neutral=NEUTRAL)
    tables = []
    for name, capture in (("raw", raw), ("other", other)):
        tables.append(restructure(capture, SMILE, cameras_of(capture), options, tmp_path / name))
    assert [row.image_count for row in tables[0]] == [row.image_count for row in tables[1]]
    for mine, theirs in zip(*tables, strict=True):
        folders = tmp_path / "raw" / mine.frame, tmp_path / "other" / theirs.frame
        meshes = [read_obj(folder / f"{folder.name}.obj") for folder in folders]
        poses = [read_pose(folder / f"{folder.name}_transform.txt") for folder in folders]
        assert_allclose(meshes[1].vertices, meshes[0].vertices, rtol=0, atol=1e-4)
        assert_array_equal(meshes[1].faces, meshes[0].faces)
        assert_allclose(poses[1][:, :3], poses[0][:, :3], rtol=0, atol=1e-6)
        levels = [read_ply(folder / f"{folder.name}_subd2.ply") for folder in folders]
        assert_allclose(levels[1].vertices, levels[0].vertices, rtol=0, atol=1e-3)
        for camera in cameras_of(raw).names:
            images = [np.asarray(Image.open(folder / f"{camera}.png")).astype(int) for folder in folders]
            assert_allclose(images[1][..., :3], images[0][..., :3], rtol=0, atol=CODEC_LEVELS)
            assert_allclose(images[1][..., 3], images[0][..., 3], rtol=0, atol=1)


def test_messages_name_files_within_archives_and_folders(captures):
    _, other = captures
    files = other.frames(SMILE, ())[0]
    image = str(other.image(SMILE, cameras_of(other).names[0], files.frame))
    assert image.endswith((".avif", ".png"))
    assert ".zip/cam400002/001100.avif" in image or "images/00000_00.png" in image
