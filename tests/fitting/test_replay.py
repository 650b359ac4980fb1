"""CUDA graphs of a fit's steps; needs a GPU: pytest -m cuda tests/fitting."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from splatrig.dataset.photographs import View
from splatrig.fitting import frame_fit, replay
from splatrig.fitting.frame_data import FrameData
from splatrig.fitting.frame_fit import fit
from splatrig.fitting.replay import can_replay
from splatrig.gaussians.gaussians import SHAPES, Gaussians
from support import tiny

STEPS = 40
ROUNDING = 0.02
"""Of the mean move: atomic sums are rounded in another order in every run, and Adam's first steps have one size."""


def test_only_gsplat_on_a_gpu_is_replayed():
    assert can_replay(torch.device("cuda"), "auto")
    assert can_replay(torch.device("cuda"), "gsplat")
    assert not can_replay(torch.device("cuda"), "diff_gaussian_rasterization")
    assert not can_replay(torch.device("cpu"), "auto")


def _on_gpu(frame: FrameData) -> FrameData:
    def moved(view: View) -> View:
        crop = None if view.crop is None else moved(view.crop)
        tensors = {name: getattr(view, name).cuda() for name in ("image", "viewmats", "Ks")}
        return replace(view, **tensors, plate=None if view.plate is None else view.plate.cuda(), crop=crop)

    return replace(frame, views=tuple(moved(view) for view in frame.views))


def _start(frame: FrameData) -> Gaussians:
    shape = tiny.template()
    return tiny.truth(frame.vertices, shape.finest_level.faces, seed=1)


def _apart(first: Gaussians, second: Gaussians, start: Gaussians) -> float:
    """The mean difference of the values of a field, relative to how far they moved."""
    return max(
        float(np.abs(getattr(first, name) - getattr(second, name)).mean())
        / max(1e-6, float(np.abs(getattr(second, name) - getattr(start, name)).mean()))
        for name in SHAPES
    )


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("backdrop", ["black", "random", "plate", "leak"])
def test_replayed_steps_are_the_engines(backdrop, monkeypatch):
    frame = _on_gpu(tiny.frame_data(2.0))
    if backdrop == "plate":
        plate = torch.full((tiny.HEIGHT, tiny.WIDTH, 3), 40, dtype=torch.uint8)
        images = np.stack([view.image.cpu().numpy() for view in frame.views])
        frame = _on_gpu(replace(frame, views=tiny.views(images, frame.cameras, plate.expand(len(images), -1, -1, -1))))
    start = _start(frame)
    plan = tiny.plan(STEPS, render=replace(tiny.RENDER, backdrop=backdrop))
    replayed = fit(start, frame, tiny.edge_lengths(), plan, seed=0)
    monkeypatch.setattr(frame_fit, "can_replay", lambda *_: False)
    stepped = fit(start, frame, tiny.edge_lengths(), plan, seed=0)
    np.testing.assert_allclose(replayed.losses, stepped.losses, rtol=2e-3)
    assert stepped.losses[-1] < stepped.losses[0]
    assert _apart(replayed.gaussians, stepped.gaussians, start) < ROUNDING


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_fit_whose_gaussians_outgrow_the_memory_is_fitted_without_graphs(monkeypatch, caplog):
    frame = _on_gpu(tiny.frame_data(2.0))
    start, plan = _start(frame), tiny.plan(STEPS)
    whole = fit(start, frame, tiny.edge_lengths(), plan, seed=0)
    monkeypatch.setattr(replay, "ROOM", 0.1)
    monkeypatch.setattr(replay, "SPARE", 0)
    with caplog.at_level("INFO"):
        again = fit(start, frame, tiny.edge_lengths(), plan, seed=0)
    assert "without CUDA graphs" in caplog.text
    assert _apart(again.gaussians, whole.gaussians, start) < ROUNDING


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_lists_of_tiles_are_gsplats():
    import gsplat

    from splatrig.rasterize.tiles_triton import sorted_tiles

    generator = torch.Generator("cuda").manual_seed(0)
    count, columns, rows = 2000, 7, 5
    centers = torch.rand((count, 2), generator=generator, device="cuda") * 160 - 20  # some outside
    radii = torch.randint(0, 40, (count, 2), generator=generator, device="cuda", dtype=torch.int32)
    depths = torch.rand(count, generator=generator, device="cuda") + 0.1
    _, keys, order = gsplat.isect_tiles(centers[None], radii[None], depths[None], 16, columns, rows)
    offsets = gsplat.isect_offset_encode(keys, 1, columns, rows)[0]
    ours, owners, needed = sorted_tiles(centers, radii, depths, columns, rows, 16, len(order) + 500)
    assert int(needed) == len(order)
    assert torch.equal(ours[:-1], offsets)
    assert torch.equal(owners[: len(order)], order)
    assert int(ours[-1, 0]) == len(order)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_stopped_fit_goes_on_where_it_was():
    frame = _on_gpu(tiny.frame_data(2.0))
    start, plan = _start(frame), tiny.plan(STEPS)
    whole = fit(start, frame, tiny.edge_lengths(), plan, seed=0)

    class KilledError(Exception):
        pass

    class Stopping:
        """A slot that keeps one state and then kills the fit."""

        state = None

        def keep(self, done, state):
            if done == STEPS // 2 and self.state is None:
                Stopping.state = state()
                raise KilledError

        def read(self):
            return Stopping.state

    with pytest.raises(KilledError):
        fit(start, frame, tiny.edge_lengths(), plan, seed=0, slot=Stopping())
    resumed = fit(start, frame, tiny.edge_lengths(), plan, seed=0, slot=Stopping())
    np.testing.assert_allclose(resumed.losses, whole.losses, rtol=2e-3)
    assert _apart(resumed.gaussians, whole.gaussians, start) < ROUNDING
