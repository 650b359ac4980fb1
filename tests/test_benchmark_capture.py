"""The synthetic capture that the benchmarks at full size measure on."""

import sys
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image


def script(name: str) -> ModuleType:
    """Import a script of benchmarks/ by its path; with the folder on sys.path others would hide packages of tests."""
    spec = spec_from_file_location(name, Path(__file__).parents[1] / "benchmarks" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script("harness")
script("shading_on_cpu")
script("shading_on_gpu")
capture: Any = script("full_size_capture")


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


def test_photographs_by_torch_equal_those_of_the_compiled_loops_but_for_noise(
    size: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "NOISE_LEVELS", 0.0)
    directions, faces = capture.head_directions(size.base_vertices)
    cameras = capture.capture_cameras(size)
    fine = capture.build_template(directions, faces, 2).levels["subd2"]
    rest = fine.vertices / np.linalg.norm(fine.vertices, axis=1, keepdims=True)
    scene = capture.scenes(size, directions, rest, fine.faces)[1]
    template = capture.build_template(scene.tracked, faces, 2)
    texture = capture.painted_texture(1, 32)
    loop, loop_alpha = capture.photograph(scene, 0, cameras, template, rest, texture)
    array, array_alpha = capture.photograph(scene, 0, cameras, template, rest, torch.as_tensor(texture))
    difference = np.abs(loop.astype(int) - array)
    assert difference.max() <= 1  # of 255: float32 against float64 before rounding
    assert (difference > 0).mean() < 1e-3
    assert np.array_equal(loop_alpha, array_alpha)
