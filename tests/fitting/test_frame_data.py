import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from splatrig.dataset.dataset import Dataset
from splatrig.dataset.decoding import CROP_MARGIN, silhouette_box
from splatrig.dataset.photographs import Photographs
from splatrig.fitting import frame_data
from splatrig.fitting.background import one_ahead
from splatrig.fitting.frame_data import FrameData, FrameReader
from splatrig.io.errors import InputError
from splatrig.mesh.obj import write_obj
from support import tiny

FRAME, NEXT = "000100", "000103"
CPU = torch.device("cpu")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return tiny.write_dataset(tmp_path, {FRAME: 0.0, NEXT: 1.0})


def reader(dataset: Dataset, *frames: str, **options: object) -> FrameReader:
    return FrameReader(dataset, [f"E001_Tiny/{frame}" for frame in frames], tiny.template(), CPU, **options)


def load(dataset: Dataset, frame: str = FRAME) -> FrameData:
    with reader(dataset, frame) as reading:
        return reading.read(0)[0]


def _file(dataset: Dataset, name: str) -> Path:
    return dataset.folder / "E001_Tiny" / FRAME / name


def _equal(first: FrameData, second: FrameData) -> bool:
    views = zip(first.views, second.views, strict=True)
    return np.array_equal(first.vertices, second.vertices) and all(
        torch.equal(a.image, b.image) and torch.equal(a.silhouette.image, b.silhouette.image) for a, b in views
    )


def test_a_frame_comes_with_its_finest_mesh_and_cameras_in_head_space(dataset):
    frame = load(dataset)
    expected = tiny.frame_data()
    np.testing.assert_allclose(frame.vertices, expected.vertices, atol=1e-5)
    for ours, theirs in zip(frame.views, expected.views, strict=True):
        np.testing.assert_array_equal(ours.image.numpy(), theirs.image.numpy())
    point = np.array([1.0, 2.0, 3.0])
    world = np.append(np.add(point, tiny.HEAD_SHIFT), 1.0)
    for ours, theirs in zip(frame.cameras.viewmats, dataset.cameras.viewmats, strict=True):
        np.testing.assert_allclose(ours @ np.append(point, 1.0), theirs @ world, atol=1e-9)


def test_frames_read_ahead_are_those_loaded_one_by_one(dataset):
    with reader(dataset, FRAME, NEXT, workers=2, place=lambda vertices: vertices.mean()) as reading:
        streamed = list(one_ahead(reading.read, [0, 1]))
    assert [frame.frame for frame, _ in streamed] == [FRAME, NEXT]
    for frame, mean in streamed:
        assert mean == frame.vertices.mean()
        assert _equal(frame, load(dataset, frame.frame))


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")
def test_processes_read_the_same_frames(dataset, monkeypatch):
    forking = lambda *given, **options: Photographs(*given, **options, processes=True)  # noqa: E731
    monkeypatch.setattr(frame_data, "Photographs", forking)
    names = [FRAME, NEXT, FRAME]
    with reader(dataset, *names, workers=2, place=lambda vertices: 2 * vertices) as reading:
        monkeypatch.undo()
        for name, (frame, placed) in zip(names, one_ahead(reading.read, range(3)), strict=True):
            alone = load(dataset, name)
            assert _equal(frame, alone)
            np.testing.assert_array_equal(placed, 2 * alone.vertices)


def test_a_photograph_that_cannot_be_read_is_named(dataset):
    path = _file(dataset, "400002.png")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"400002\.png: the photograph cannot be read"):
        load(dataset)


def test_a_frame_goes_without_a_missing_photograph(dataset):
    whole = load(dataset)
    _file(dataset, "400001.png").unlink()
    frame = load(dataset)
    assert frame.cameras.names == tuple(view.camera for view in frame.views)
    assert frame.cameras.names == ("400000", "400002", "400003", "400004")
    kept = [view for view in whole.views if view.camera != "400001"]
    assert all(torch.equal(own.image, view.image) for own, view in zip(frame.views, kept, strict=True))
    for path in _file(dataset, "").glob("*.png"):
        path.unlink()
    with pytest.raises(InputError, match=rf"{FRAME}: expected photographs of the frame, got none"):
        load(dataset)


def test_a_photograph_of_another_size_is_named_with_both_sizes(dataset):
    Image.new("RGBA", (7, 9)).save(_file(dataset, "400003.png"))
    with pytest.raises(InputError, match=r"400003\.png: expected an image of 40×48 pixels .*got 7×9"):
        load(dataset)


def test_nan_in_a_pose_is_named(dataset):
    path = _file(dataset, f"{FRAME}_transform.txt")
    path.write_text("1 0 0 0\n0 1 0 nan\n0 0 1 0\n")
    with pytest.raises(InputError, match=rf"{FRAME}_transform\.txt line 2: head pose: expected finite numbers"):
        load(dataset)


def test_a_pose_of_another_shape_is_named(dataset):
    _file(dataset, f"{FRAME}_transform.txt").write_text("1 0 0 0\n0 1 0 0\n")
    with pytest.raises(InputError, match=r"head pose: expected 3 rows of 4 numbers, got 2"):
        load(dataset)


def test_a_missing_pose_is_named(dataset):
    _file(dataset, f"{FRAME}_transform.txt").unlink()
    with pytest.raises(InputError, match=rf"{FRAME}_transform\.txt: expected a file, got none"):
        load(dataset)


def test_a_mesh_of_another_topology_is_named(dataset):
    base = tiny.template().levels["base"]
    write_obj(_file(dataset, f"{FRAME}.obj"), np.vstack([base.vertices, [0, 0, 0]]), base.faces)
    with pytest.raises(InputError, match=rf"{FRAME}\.obj: expected 42 vertices as in the template, got 43"):
        load(dataset)


def test_an_error_in_a_frame_that_is_read_ahead_reaches_the_caller(dataset):
    (dataset.folder / "E001_Tiny" / NEXT / "400004.png").write_bytes(b"")
    with reader(dataset, FRAME, NEXT, workers=2) as reading, pytest.raises(InputError, match=r"000103/400004\.png"):
        list(one_ahead(reading.read, [0, 1]))


def test_a_crop_is_part_of_the_whole_photograph_with_its_principal_point(dataset):
    frame = load(dataset)
    for view, K in zip(frame.views, frame.cameras.Ks, strict=True):
        top, bottom, left, right = silhouette_box(view.image[..., 3].numpy())
        assert torch.equal(view.silhouette.image, view.image[top:bottom, left:right])
        assert view.silhouette.image.data_ptr() == view.image[top, left].data_ptr()
        np.testing.assert_allclose(view.Ks[0], K, rtol=1e-6)
        np.testing.assert_allclose(view.silhouette.Ks[0, :2, 2], K[:2, 2] - [left, top], rtol=1e-6)


def test_the_crop_holds_the_silhouette_with_a_margin_inside_the_picture():
    alpha = np.zeros((100, 80), np.uint8)
    alpha[30:41, 70:75] = 1
    assert silhouette_box(alpha) == (30 - CROP_MARGIN, 41 + CROP_MARGIN, 70 - CROP_MARGIN, 80)


def test_without_a_silhouette_the_whole_picture_counts():
    assert silhouette_box(np.zeros((10, 20), np.uint8)) == (0, 10, 0, 20)
