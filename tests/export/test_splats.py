import numpy as np
import pytest
import trimesh

from splatrig.export.glb import Glb, read_glb
from splatrig.export.splats import EXTENSION, linear_colors, read_splat_glb, write_splat_glb
from splatrig.io.errors import InputError
from support.random_gaussians import random_gaussians


def test_what_is_written_is_read_back(tmp_path):
    gaussians = random_gaussians(60)
    write_splat_glb(tmp_path / "a.glb", gaussians)
    back = read_splat_glb(tmp_path / "a.glb")
    for name, array in gaussians.items():
        np.testing.assert_allclose(getattr(back, name), array, rtol=1e-5, atol=1e-5)


def test_the_file_is_as_the_extension_asks(tmp_path):
    gaussians = random_gaussians(7)
    write_splat_glb(tmp_path / "a.glb", gaussians)
    opened = read_glb(tmp_path / "a.glb")
    assert opened.document["extensionsUsed"] == [EXTENSION]
    primitive = opened.document["meshes"][0]["primitives"][0]
    assert primitive["mode"] == 0
    assert primitive["extensions"][EXTENSION] == {"kernel": "ellipse", "colorSpace": "srgb_rec709_display"}
    attributes = primitive["attributes"]
    harmonics = [f"SH_DEGREE_{degree}_COEF_{n}" for degree in range(4) for n in range(2 * degree + 1)]
    wanted = {"POSITION", "COLOR_0"} | {f"{EXTENSION}:{name}" for name in ("ROTATION", "SCALE", "OPACITY", *harmonics)}
    assert set(attributes) == wanted
    quats = opened.array(attributes[f"{EXTENSION}:ROTATION"])
    np.testing.assert_allclose(np.linalg.norm(quats, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(quats[:, 3], gaussians.quats[:, 0], atol=1e-6)  # w last
    scales = opened.array(attributes[f"{EXTENSION}:SCALE"])
    np.testing.assert_allclose(scales, np.exp(gaussians.log_scales) / 1000, rtol=1e-5)
    opacities = opened.array(attributes[f"{EXTENSION}:OPACITY"])
    np.testing.assert_allclose(opacities, 1 / (1 + np.exp(-gaussians.logit_opacities)), rtol=1e-5)
    last = opened.array(attributes[f"{EXTENSION}:SH_DEGREE_3_COEF_6"])
    np.testing.assert_array_equal(last, gaussians.shN[:, 14])


def test_programs_without_the_extension_see_colored_points(tmp_path):
    gaussians = random_gaussians(7)
    write_splat_glb(tmp_path / "a.glb", gaussians)
    points = next(iter(trimesh.load(tmp_path / "a.glb", process=False).geometry.values()))
    np.testing.assert_allclose(points.vertices * 1000, gaussians.means, atol=1e-5)
    opened = read_glb(tmp_path / "a.glb")
    attributes = opened.document["meshes"][0]["primitives"][0]["attributes"]
    colors = opened.array(attributes["COLOR_0"])[:, :3] / 65535
    np.testing.assert_allclose(colors, linear_colors(gaussians), atol=1e-5)


def test_colors_are_decoded_from_srgb():
    gaussians = random_gaussians(3)
    flat = type(gaussians)(**dict(gaussians.items()) | {"sh0": np.zeros((3, 1, 3), np.float32)})
    np.testing.assert_allclose(linear_colors(flat), 0.21404114, atol=1e-6)  # of 0.5


def test_other_glb_files_are_refused(tmp_path):
    Glb(document={"asset": {"version": "2.0"}, "meshes": []}).write(tmp_path / "a.glb")
    with pytest.raises(InputError, match="expected splats"):
        read_splat_glb(tmp_path / "a.glb")
    (tmp_path / "b.glb").write_bytes(b"no glTF at all, but long enough")
    with pytest.raises(InputError, match=r"binary glTF 2\.0"):
        read_splat_glb(tmp_path / "b.glb")
    write_splat_glb(tmp_path / "c.glb", random_gaussians(5))
    (tmp_path / "c.glb").write_bytes((tmp_path / "c.glb").read_bytes()[:-100])
    with pytest.raises(InputError, match="bytes of arrays"):
        read_splat_glb(tmp_path / "c.glb")
