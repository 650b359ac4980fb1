"""A fit's step whose kernels a GPU starts by itself: CUDA graphs of all that has the same sizes in every step.

A step starts some hundred small kernels, which takes the processor longer than they take the GPU. All but the lists of
Gaussians per tile and the comparison of images, whose sizes differ, is captured once per fit and replayed by two calls.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from splatrig.dataset.photographs import View
from splatrig.fitting.compare_view import behind, compared
from splatrig.fitting.engine import Fit
from splatrig.fitting.schedule import Shot
from splatrig.gaussians.gaussians import Gaussians
from splatrig.rasterize import Views, activate, corners
from splatrig.rasterize.backends import choose_backend
from splatrig.rasterize.gsplat_backend import composite, project

WARM_UP = 3
"""Steps without graphs before the first with them: kernels are compiled and workspaces allocated by then."""


def can_replay(device: torch.device, rasterizer: str) -> bool:
    """Return whether steps on a device with a back end of `splatrig.rasterize` can be captured: gsplat's on CUDA."""
    return device.type == "cuda" and choose_backend(rasterizer, device.type) == "gsplat"


Measure = Callable[[Tensor, Mapping[str, Tensor]], Tensor]


class Replay:
    """Steps of a fit of one frame without components, on one photograph each; equal to `Fit.step` within rounding.

    All photographs are rendered at one size that holds the largest of them, since the size is part of a graph.
    """

    def __init__(self, fit: Fit, views: Sequence[View], steps: int, measure: Measure) -> None:
        """Capture the step of `fit`, which must have taken `WARM_UP` steps, on any of the `views`.

        Args:
            fit: Fit of one frame without components.
            views: Photographs that the steps use, of any sizes.
            steps: Number of steps of the fit, all of which are replayed at their learning rates.
            measure: Function of loss [] and gradients by field that returns what a step records, a tensor.
        """
        rig, objective, adam = fit.rig, fit.objective, fit.optimizer.adam
        self.objective = objective
        self.width, self.height = max(view.width for view in views), max(view.height for view in views)
        self.viewmats, self.Ks = views[0].viewmats.clone(), views[0].Ks.clone()
        self.loss = torch.zeros((), device=rig.device)
        rates = [fit.optimizer.rates.at(step) for step in range(steps)]
        self.rates = torch.tensor([[row[name] for name in adam.parameters] for row in rates], device=rig.device)
        self.rate = self.rates[0].clone()
        for parameter in rig.base.values():
            parameter.grad = None  # each replay writes gradients to the memory that capturing gives them
        stream = torch.cuda.Stream(rig.device)
        stream.wait_stream(torch.cuda.current_stream(rig.device))
        self.forward, self.backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with _captured(self.forward, stream):
            splats = activate(Gaussians(**rig.base), unit_quats=False)
            seen = Views(self.viewmats, self.Ks, self.width, self.height)
            projected = project(replace(splats, sh_degree=objective.render.sh_degree), seen)
            regularizers = objective.regularized(torch.zeros_like(self.loss), splats, 1, 1.0)
        self.leaves = [tensor.detach().requires_grad_() for tensor in projected.differentiable]
        self.slopes = [torch.zeros_like(leaf) for leaf in self.leaves]
        self.projected = replace(projected, **dict(zip(projected.DIFFERENTIABLE, self.leaves, strict=True)))
        with _captured(self.backward, stream, self.forward):
            outputs = [*projected.differentiable, *([regularizers] if regularizers.requires_grad else [])]
            torch.autograd.backward(outputs, [*self.slopes, *([None] * (len(outputs) - len(self.slopes)))])
            gradients = {name: p.grad for name, p in rig.base.items() if p.grad is not None}
            self.row = measure(self.loss + regularizers.detach(), gradients)
            adam.step(dict(zip(adam.parameters, self.rate, strict=True)))
        torch.cuda.current_stream(rig.device).wait_stream(stream)

    def step(self, step: int, shot: Shot) -> Tensor:
        """Take a step down the gradient; return what it records, which the next step overwrites."""
        view = shot.view
        torch._foreach_copy_([self.viewmats, self.Ks, self.rate], [view.viewmats, view.Ks, self.rates[step]])
        self.forward.replay()
        background = self.objective.backdrops.at(step)
        render = self.objective.render
        for leaf in self.leaves:
            leaf.grad = None
        behind_all = behind(render, background)[None]
        images, alphas = composite(self.projected, Views(view.viewmats, view.Ks, self.width, self.height, behind_all))
        sizes = [(view.width, view.height)]
        (image,), (alpha,) = corners(images, sizes), corners(alphas, sizes)
        loss = self.objective.photometric(compared(image, alpha, view, render, background))
        loss.backward()
        slopes = [leaf.grad for leaf in self.leaves if leaf.grad is not None]  # all of them
        torch._foreach_copy_([self.loss, *self.slopes], [loss.detach(), *slopes])
        self.backward.replay()
        return self.row


@contextmanager
def _captured(
    graph: torch.cuda.CUDAGraph, stream: torch.cuda.Stream, after: torch.cuda.CUDAGraph | None = None
) -> Iterator[None]:
    """Capture what the block computes on `stream`; it may use tensors of the graph `after` which it is replayed.

    Other threads may use the GPU meanwhile. `torch.cuda.graph` would return all cached memory to the driver first.
    """
    with torch.cuda.stream(stream):
        pool = None if after is None else after.pool()
        graph.capture_begin(pool=pool, capture_error_mode="thread_local")
        try:
            yield
        finally:
            graph.capture_end()
