from dataclasses import replace

import numpy as np
import pytest
import torch

from splatrig.fitting.losses import composite
from splatrig.gaussians.tensors import on_device
from splatrig.learned import look as module
from splatrig.learned.look import look_at
from splatrig.rasterize import Splats, Views, activate, rasterize
from support import tiny

FLOAT32 = 1e-3
"""Relative: sums over pixels, and depths of a meter from places of 0.1 m."""


@pytest.fixture(scope="module")
def splats() -> Splats:
    level = tiny.template().finest_level
    return activate(on_device(tiny.truth(level.vertices, level.faces)))


@pytest.fixture(scope="module")
def views() -> tuple:
    return tiny.frame_data(offset=2.0).views[:3]


def cameras_of(views: tuple) -> Views:
    return Views(
        torch.cat([view.viewmats for view in views]), torch.cat([view.Ks for view in views]), tiny.WIDTH, tiny.HEIGHT
    )


def test_depth_alpha_and_error_are_those_of_renderings_made_for_them(splats: Splats, views: tuple) -> None:
    look, _ = look_at(splats, 40, views, tiny.RENDER)
    assert look.means.shape == (40, 3)
    for c, view in enumerate(views):
        cameras = cameras_of((view,))
        depths = splats.means @ view.viewmats[0, 2, :3] + view.viewmats[0, 2, 3]
        colors = torch.stack([depths, torch.ones_like(depths), torch.zeros_like(depths)], dim=1)
        blended = rasterize(replace(splats, colors=colors, sh_degree=None), cameras)[0][0]
        seen = blended[..., 1] > 0.05
        torch.testing.assert_close(look.alpha[c], blended[..., 1], rtol=FLOAT32, atol=1e-5)
        expected = blended[..., 0] / blended[..., 1]
        torch.testing.assert_close(look.depth[c][seen], expected[seen], rtol=FLOAT32, atol=0.0)
        image = rasterize(splats, cameras)[0][0].clamp(0, 1)
        photo = composite(view.image, torch.zeros(3))
        difference = (image - photo).abs().mean(dim=-1)[10:13, 20:23]
        torch.testing.assert_close(look.error[c, 11, 21], difference.mean(), rtol=1e-4, atol=1e-6)


def test_weights_are_what_each_gaussian_adds_to_the_images(splats: Splats, views: tuple) -> None:
    look, weights = look_at(splats, 40, views, tiny.RENDER)
    torch.testing.assert_close(weights.sum(), look.alpha.sum(), rtol=FLOAT32, atol=0.0)
    for chosen in (3, 50, 120):
        lit = torch.zeros_like(splats.means)
        lit[chosen] = 1.0
        alone = rasterize(replace(splats, colors=lit, sh_degree=None), cameras_of(views))[0][..., 0].sum()
        torch.testing.assert_close(weights[chosen], alone, rtol=FLOAT32, atol=1e-5)


def test_large_photographs_are_looked_at_reduced(splats: Splats, views: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, weights = look_at(splats, 40, views, tiny.RENDER)
    monkeypatch.setattr(module, "LONGER_SIDE", tiny.HEIGHT // 2)
    half, fewer = look_at(splats, 40, views, tiny.RENDER)
    assert half.photo.shape == (3, tiny.HEIGHT // 2, tiny.WIDTH // 2, 3)
    pooled = torch.nn.functional.avg_pool2d(whole.photo.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
    torch.testing.assert_close(half.photo, pooled, rtol=0, atol=1e-5)
    covered = torch.nn.functional.avg_pool2d(whole.alpha[:, None], 2)[:, 0]
    assert float((half.alpha - covered).abs().mean()) < 0.06, "pixels blur"
    assert float(fewer.sum() / weights.sum()) == pytest.approx(0.25, rel=0.1)


def test_points_are_projected_as_cameras_do(splats: Splats, views: tuple) -> None:
    look, _ = look_at(splats, 40, views, tiny.RENDER)
    points = torch.tensor([[1.3, 0.7, 0], [31.3, 40.9, 20], [-20.3, 11.1, 60], [0, 900, 0], [0, 0, 5000]])
    found = look.project(points)
    for c in range(len(views)):
        K, viewmat = look.Ks[c].double().numpy(), look.viewmats[c].double().numpy()
        seen = points.double().numpy() @ viewmat[:3, :3].T + viewmat[:3, 3]
        pixels = (seen @ K.T)[:, :2] / seen[:, 2:]
        inside = (seen[:, 2] > 0) & (pixels >= 0).all(axis=1) & (pixels < [tiny.WIDTH, tiny.HEIGHT]).all(axis=1)
        np.testing.assert_array_equal(found.inside[c].numpy(), inside)
        np.testing.assert_allclose(found.depth[c].numpy(), seen[:, 2], rtol=1e-5)
        columns, rows = pixels[inside].astype(int).T
        read = found.read(look.photo)[c][found.inside[c]]
        torch.testing.assert_close(read, look.photo[c, rows, columns])
    assert found.inside[:, :3].all()
    assert not found.inside[:, 3:].any()
