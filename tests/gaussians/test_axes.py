import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from splatrig.gaussians.axes import AXES, from_axes, to_axes
from support.random_gaussians import random_gaussians
from support.sh_colors import sh_to_rgb


def covariances(gaussians):
    axes = Rotation.from_quat(gaussians.quats, scalar_first=True).as_matrix() * np.exp(gaussians.log_scales)[:, None]
    return axes @ axes.transpose(0, 2, 1)


@pytest.mark.parametrize("axes", AXES)
def test_there_and_back_is_where_it_was(axes):
    gaussians = random_gaussians(30)
    back = from_axes(to_axes(gaussians, axes), axes)
    for name, array in gaussians.items():
        np.testing.assert_allclose(getattr(back, name), array, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("axes", AXES)
def test_places_shapes_and_colors_are_the_same_seen_from_the_other_frame(axes):
    gaussians = random_gaussians(30)
    moved = to_axes(gaussians, axes)
    scale, signs = AXES[axes]
    turn = np.diag(signs)
    assert np.linalg.det(turn) == pytest.approx(1)
    np.testing.assert_allclose(moved.means, scale * gaussians.means @ turn, rtol=1e-5)
    np.testing.assert_allclose(covariances(moved), scale**2 * turn @ covariances(gaussians) @ turn, rtol=1e-4)
    directions = torch.nn.functional.normalize(torch.randn(30, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    colors = [
        sh_to_rgb(torch.cat([torch.as_tensor(g.sh0), torch.as_tensor(g.shN)], 1), seen, 3)
        for g, seen in ((gaussians, directions), (moved, directions @ torch.as_tensor(turn, dtype=torch.float32)))
    ]
    torch.testing.assert_close(*colors)
