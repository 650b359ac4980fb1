"""Blender itself on the head, where it is installed: pip install --no-deps bpy==5.0.1 (Python 3.11, 820 MB)."""

import numpy as np
import pytest

from splatrig.export.head import Clip, morph_head, write_head_glb
from support import small_rig

bpy = pytest.importorskip("bpy", reason="Blender is not installed: pip install --no-deps bpy==5.0.1")


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("family", ["sldc", "pca"])
def test_shape_keys_and_a_clip_are_those_of_the_head(tmp_path, family, sparse):
    rig = small_rig.rig(family)
    panel = small_rig.panel(rig)
    head = morph_head(rig, small_rig.level(), panel.names, panel.low, panel.high)
    tour = Clip("tour", np.array([0.0, 0.5, 1.5]), head.weights(rig.components.W[[0, 3, 5]]))
    write_head_glb(tmp_path / "head.glb", head, [tour], sparse=sparse)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = 24
    bpy.ops.import_scene.gltf(filepath=str(tmp_path / "head.glb"))
    (mesh,) = [thing for thing in bpy.data.objects if thing.type == "MESH"]
    basis, *keys = mesh.data.shape_keys.key_blocks
    assert tuple(key.name for key in keys) == head.names
    assert {(key.slider_min, key.slider_max) for key in keys} == {(0.0, 1.0)}
    for key, target in zip(keys, head.targets, strict=True):
        moved = 1000 * (np.array([point.co for point in key.data]) - np.array([point.co for point in basis.data]))
        np.testing.assert_allclose(moved @ [[1, 0, 0], [0, 0, -1], [0, 1, 0]], target, atol=1e-4)  # Blender has z up
    for time, weights in zip(tour.times, tour.weights, strict=True):
        bpy.context.scene.frame_set(round(24 * time))
        np.testing.assert_allclose([key.value for key in keys], weights, atol=1e-6)
