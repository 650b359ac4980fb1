"""Rigs from files, whole and damaged."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from splatrig.components.component_file import write_components
from splatrig.components.rig_file import open_rig
from splatrig.gaussians.store import FittedFrames, write_fitted_frames
from splatrig.io.errors import InputError
from splatrig.mesh.template import build_template, write_template
from support import planted

MADE = planted.head(1)
PARTS = planted.components(MADE, family="pca", attributes=planted.ALL_ATTRIBUTES)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("rig")
    found = {name: folder / f"{name}.h5" for name in ("components", "neutral", "template")}
    metrics = pd.DataFrame(columns=["frame", "camera", "split", "region", "psnr", "ssim", "lpips"])
    write_components(found["components"], PARTS)
    write_fitted_frames(found["neutral"], FittedFrames("E001", ("000001",), (MADE.neutral,), metrics, {}))
    write_template(
        found["template"], build_template(MADE.vertices, MADE.faces, 0, center_vertex=int(MADE.vertices[:, 2].argmax()))
    )
    return found


def test_a_rig_from_files_moves_as_its_components_say(files):
    rig, pose_file = open_rig(**files, dataset=Path("dataset/E001"))
    assert pose_file == Path("dataset/E001/000001/000001_transform.txt")
    assert np.allclose(rig.components.rows(PARTS.W), PARTS.rows(), atol=1e-4)


def test_gaussians_follow_the_skin_where_centers_alone_move(files, tmp_path):
    write_components(tmp_path / "centers.h5", planted.components(MADE))
    alone, _ = open_rig(tmp_path / "centers.h5", files["neutral"], files["template"], Path())
    weights = np.ones(alone.count)
    assert alone.follows and np.abs(alone.pose(weights).quats - MADE.neutral.quats).max() > 0.01
    assert not open_rig(**files, dataset=Path())[0].follows


def test_a_file_cut_short_is_named(files, tmp_path):
    broken = tmp_path / "cut.h5"
    content = files["components"].read_bytes()
    for size in (0, 10, len(content) // 2):
        broken.write_bytes(content[:size])
        with pytest.raises(InputError, match=rf"^{broken}: cannot be read as components"):
            open_rig(broken, files["neutral"], files["template"], Path())


def changed(path: Path, **arrays: object) -> Path:
    """Write the components with other arrays; `Components` itself would refuse none of these."""
    write_components(path, replace(PARTS, **arrays))
    return path


def test_numbers_that_are_none_are_named(files, tmp_path):
    C = PARTS.C.copy()
    C[1, 7] = np.nan
    broken = changed(tmp_path / "nan.h5", C=C)
    with pytest.raises(InputError, match=rf"^{broken}: C of the components: expected finite numbers"):
        open_rig(broken, files["neutral"], files["template"], Path())


def test_triangles_and_gaussians_that_do_not_exist_are_named(files, tmp_path):
    faces = PARTS.faces.copy()
    faces[0, 0] = 10_000
    broken = changed(tmp_path / "faces.h5", faces=faces)
    with pytest.raises(InputError, match=rf"^{broken}: triangles: expected vertices 0 to 41, got 0 to 10000"):
        open_rig(broken, files["neutral"], files["template"], Path())
    other = planted.components(planted.head(2))
    broken = tmp_path / "other.h5"
    write_components(broken, other)
    with pytest.raises(InputError, match=rf"^{broken}: components of xyz: expected 126 columns for 42 Gaussians"):
        open_rig(broken, files["neutral"], files["template"], Path())


def test_a_learned_rig_without_its_base_is_refused(files, tmp_path):
    broken = tmp_path / "learned.h5"
    write_components(broken, replace(PARTS, family="learned", base=MADE.neutral))
    with h5py.File(broken, "r+") as file:
        del file["learned_base"]
    with pytest.raises(InputError, match=rf"^{broken}: cannot be read as components .*learned_base.*delete it"):
        open_rig(broken, files["neutral"], files["template"], Path())
