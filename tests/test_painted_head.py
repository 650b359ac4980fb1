"""The synthetic capture that the benchmarks at full size measure on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from splatrig.mesh.template import build_template
from support import painted_head as capture
from support.painted_head_shading import nearest_faces
from support.painted_head_texture import painted_texture


@pytest.fixture(scope="module")
def size() -> Any:
    return replace(capture.SMALL, cameras=2, expressions=1, frames=2, width=60, height=90)


def test_the_capture_has_what_the_rules_before_the_fits_leave(size: Any, tmp_path: Path) -> None:
    expressions = capture.write_capture(tmp_path, size, threads=2)
    assert expressions[0] == capture.NEUTRAL
    tables = [pd.read_csv(tmp_path / "frames" / f"{name}.csv", dtype={"frame": str}) for name in expressions]
    rows = pd.concat(tables)
    assert rows["neutral"].dtype == bool
    assert rows["neutral"].sum() == 1
    assert (rows["image_count"] == size.cameras).all()
    for expression, frame in zip(rows["expression"], rows["frame"], strict=True):
        pictures = sorted((tmp_path / "dataset" / expression / frame).glob("*.png"))
        assert len(pictures) == size.cameras
        pixels = np.asarray(Image.open(pictures[0]))
        assert pixels.shape == (size.height, size.width, 4)
        assert 0.2 < (pixels[..., 3] > 127).mean() < 0.8


def test_a_photograph_shows_the_surface_where_the_mesh_covers_it(size: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage is dim and the head is lit; the tracked mesh is coarser than the surface, by less than a pixel here."""
    monkeypatch.setattr(capture, "NOISE_LEVELS", 0.0)
    directions, faces = capture.head_directions(size.base_vertices)
    cameras = capture.capture_cameras(size)
    fine = build_template(directions, faces, 2).levels["subd2"]
    rest = fine.vertices / np.linalg.norm(fine.vertices, axis=1, keepdims=True)
    scene = capture.scenes(size, directions, rest, fine.faces)[1]
    template = build_template(scene.tracked, faces, 2)
    texture = torch.as_tensor(painted_texture(1, 32))
    pixels, alpha = capture.photograph(scene, 0, cameras, template, rest, texture)
    again, _ = capture.photograph(scene, 0, cameras, template, rest, texture)
    assert np.array_equal(pixels, again)
    level = pixels.max(axis=-1).astype(int)
    lit = level > level.min(axis=1, keepdims=True) + 8  # the stage has one shade per row
    assert lit[alpha == 255].mean() > 0.9
    assert lit[alpha == 0].mean() < 0.1


def test_the_nearest_face_of_two_is_seen() -> None:
    corners = np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]])
    screen, faces = np.concatenate([corners, corners]), np.array([[0, 1, 2], [3, 4, 5]])
    for near in (0, 1):
        depths = np.where(np.arange(6) // 3 == near, 1.0, 2.0)
        owners = nearest_faces(faces, screen, 1 / depths, (8, 8), torch.device("cpu"))
        assert set(owners.unique().tolist()) == {-1, near}
        assert owners[0, 0] == near
        assert owners[7, 7] == -1
