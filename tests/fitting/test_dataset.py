import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fitting import tiny
from splatrig.dataset.decoding import CROP_MARGIN, silhouette_box
from splatrig.fitting.dataset import FrameSource
from splatrig.io.errors import InputError
from splatrig.mesh.obj import write_obj

FRAME = "000100"


@pytest.fixture
def source(tmp_path: Path) -> FrameSource:
    return tiny.write_dataset(tmp_path, {FRAME: 0.0, "000103": 1.0})


def _both(frame, placed):
    return frame, placed


def _file(source: FrameSource, name: str) -> Path:
    return source.dataset / "E001_Tiny" / FRAME / name


def test_a_frame_comes_with_its_finest_mesh_and_cameras_in_head_space(source):
    frame = source.load("E001_Tiny", FRAME)
    expected = tiny.frame_data()
    np.testing.assert_allclose(frame.vertices, expected.vertices, atol=1e-5)
    np.testing.assert_array_equal(frame.images.numpy(), expected.images.numpy())
    point = np.array([1.0, 2.0, 3.0])
    world = np.append(np.add(point, tiny.HEAD_SHIFT), 1.0)
    for ours, theirs in zip(frame.cameras.viewmats, source.cameras.viewmats, strict=True):
        np.testing.assert_allclose(ours @ np.append(point, 1.0), theirs @ world, atol=1e-9)


def test_streamed_frames_are_those_loaded_one_by_one(source):
    means = source.stream("E001_Tiny", [FRAME, "000103"], lambda vertices: vertices.mean(), _both, workers=2)
    streamed = []
    for frame, mean in means:
        streamed.append(frame)
        assert mean == frame.vertices.mean()
        alone = source.load("E001_Tiny", frame.frame)
        np.testing.assert_array_equal(frame.images.numpy(), alone.images.numpy())
        np.testing.assert_array_equal(frame.vertices, alone.vertices)
    assert [frame.frame for frame in streamed] == [FRAME, "000103"]


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")
def test_processes_read_the_same_frames(source):
    def copied(frame, placed):
        return replace(frame, images=frame.images.clone()), placed

    names = [FRAME, "000103", FRAME]
    read = source.stream("E001_Tiny", names, lambda vertices: 2 * vertices, copied, workers=2, processes=True)
    for name, (frame, placed) in zip(names, read, strict=True):
        alone = source.load("E001_Tiny", name)
        np.testing.assert_array_equal(frame.images.numpy(), alone.images.numpy())
        np.testing.assert_array_equal(frame.crops, alone.crops)
        np.testing.assert_array_equal(placed, 2 * alone.vertices)


def test_a_photograph_that_cannot_be_read_is_named(source):
    path = _file(source, "400002.png")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"400002\.png: the photograph cannot be read"):
        source.load("E001_Tiny", FRAME)


def test_a_missing_photograph_is_named(source):
    _file(source, "400001.png").unlink()
    with pytest.raises(InputError, match=r"400001\.png: the photograph is missing"):
        source.load("E001_Tiny", FRAME)


def test_a_photograph_of_another_size_is_named_with_both_sizes(source):
    Image.new("RGBA", (7, 9)).save(_file(source, "400003.png"))
    with pytest.raises(InputError, match=r"400003\.png: expected a picture of 40×48 pixels .*got 7×9"):
        source.load("E001_Tiny", FRAME)


def test_nan_in_a_pose_is_named(source):
    path = _file(source, f"{FRAME}_transform.txt")
    path.write_text("1 0 0 0\n0 1 0 nan\n0 0 1 0\n")
    with pytest.raises(InputError, match=rf"{FRAME}_transform\.txt line 2: head pose: expected finite numbers"):
        source.load("E001_Tiny", FRAME)


def test_a_pose_of_another_shape_is_named(source):
    _file(source, f"{FRAME}_transform.txt").write_text("1 0 0 0\n0 1 0 0\n")
    with pytest.raises(InputError, match=r"head pose: expected 3 rows of 4 numbers, got 2"):
        source.load("E001_Tiny", FRAME)


def test_a_missing_pose_is_named(source):
    _file(source, f"{FRAME}_transform.txt").unlink()
    with pytest.raises(InputError, match=rf"{FRAME}_transform\.txt: expected a file, got none"):
        source.load("E001_Tiny", FRAME)


def test_a_mesh_of_another_topology_is_named(source):
    base = source.template.levels["base"]
    write_obj(_file(source, f"{FRAME}.obj"), np.vstack([base.vertices, [0, 0, 0]]), base.faces)
    with pytest.raises(InputError, match=rf"{FRAME}\.obj: expected 42 vertices as in the template, got 43"):
        source.load("E001_Tiny", FRAME)


def test_an_error_in_a_streamed_frame_reaches_the_caller(source):
    (source.dataset / "E001_Tiny" / "000103" / "400004.png").unlink()
    with pytest.raises(InputError, match=r"000103/400004\.png"):
        list(source.stream("E001_Tiny", [FRAME, "000103"], lambda _: None, _both, workers=2))


def test_the_crop_holds_the_silhouette_with_a_margin_inside_the_picture():
    alpha = np.zeros((100, 80), np.uint8)
    alpha[30:41, 70:75] = 1
    assert silhouette_box(alpha) == (30 - CROP_MARGIN, 41 + CROP_MARGIN, 70 - CROP_MARGIN, 80)


def test_without_a_silhouette_the_whole_picture_counts():
    assert silhouette_box(np.zeros((10, 20), np.uint8)) == (0, 10, 0, 20)
