import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from splatrig.fitting.initialize import gaussians_on_mesh, moved_by_mesh
from splatrig.gaussians.gaussians import SH_C0, Gaussians
from splatrig.gaussians.tensors import on_device
from splatrig.mesh.normals import tangent_frames, vertex_rotations
from splatrig.rasterize import activate
from support import tiny

MICROMETRE = 1e-3  # float32 positions at 100 mm are good to 1e-5 mm


def _mesh() -> tuple[np.ndarray, np.ndarray]:
    level = tiny.template().levels["subd1"]
    return level.vertices, level.faces


def _neutral() -> Gaussians:
    vertices, faces = _mesh()
    gaussians = tiny.truth(vertices, faces)
    generator = np.random.default_rng(5)
    return Gaussians(
        **(
            dict(gaussians.items())
            | {"means": (gaussians.means + generator.normal(scale=0.5, size=vertices.shape)).astype(np.float32)}
        )
    )


def test_discs_lie_in_the_surface_in_the_given_colors():
    vertices, faces = _mesh()
    frames = tangent_frames(vertices, faces)
    colors = np.random.default_rng(0).random((len(vertices), 3)).astype(np.float32)
    gaussians = gaussians_on_mesh(vertices, frames, np.full(len(vertices), 10.0), colors, tiny.INITIAL)
    activated = activate(on_device(gaussians))
    np.testing.assert_allclose(activated.scales.numpy(), np.tile([5.0, 5.0, 1.5], (len(vertices), 1)), rtol=1e-5)
    np.testing.assert_allclose(activated.opacities.numpy(), 0.9, rtol=1e-5)
    np.testing.assert_allclose(gaussians.sh0[:, 0] * SH_C0 + 0.5, colors, atol=1e-6)
    axes = Rotation.from_quat(gaussians.quats, scalar_first=True).as_matrix()[:, :, 2]
    np.testing.assert_allclose(np.abs((axes * frames[:, :, 2]).sum(axis=1)), 1.0, atol=1e-6)


def test_the_neutral_mesh_moves_nothing():
    vertices, faces = _mesh()
    neutral = _neutral()
    moved = moved_by_mesh(neutral, vertices, vertices, vertex_rotations(vertices, vertices, faces))
    np.testing.assert_allclose(moved.means, neutral.means, atol=MICROMETRE)
    np.testing.assert_allclose(moved.quats, neutral.quats, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_rigid_motion_of_the_mesh_moves_the_gaussians_rigidly(seed):
    vertices, faces = _mesh()
    neutral = _neutral()
    turn = Rotation.random(random_state=seed)
    shift = np.random.default_rng(seed).normal(scale=30, size=3)
    target = turn.apply(vertices) + shift
    moved = moved_by_mesh(neutral, vertices, target, vertex_rotations(vertices, target, faces))
    np.testing.assert_allclose(moved.means, turn.apply(neutral.means) + shift, atol=MICROMETRE)
    expected = (turn * Rotation.from_quat(neutral.quats, scalar_first=True)).as_matrix()
    actual = Rotation.from_quat(moved.quats, scalar_first=True).as_matrix()
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    for name in ("log_scales", "logit_opacities", "sh0", "shN"):
        np.testing.assert_array_equal(getattr(moved, name), getattr(neutral, name))


def test_moved_quaternions_stay_on_the_hemisphere_of_the_neutral():
    vertices, faces = _mesh()
    neutral = _neutral()
    target = Rotation.from_rotvec([0, 0, 3.0]).apply(vertices)
    moved = moved_by_mesh(neutral, vertices, target, vertex_rotations(vertices, target, faces))
    assert ((moved.quats * neutral.quats).sum(axis=1) >= 0).all()
    np.testing.assert_allclose(np.linalg.norm(moved.quats, axis=1), 1.0, atol=1e-6)
