"""A fit's step whose kernels a GPU starts by itself: CUDA graphs of all that has the same sizes in every step.

A step starts some hundred small kernels, which takes the processor longer than they take the GPU. All but the
comparison with the photograph, whose size differs from camera to camera, is captured once per fit and replayed by two
calls.
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
from splatrig.fitting.trainable_rig import TrainableRig
from splatrig.gaussians.gaussians import Gaussians
from splatrig.rasterize import Views, activate
from splatrig.rasterize.backends import choose_backend
from splatrig.rasterize.gsplat_backend import composite_at_once, entries, project

ROOM = 1.5
"""Memory for lists of Gaussians per tile, relative to the most that is needed before the first step."""
SPARE = 4096
"""Entries in addition."""
WARM_UP = 3
"""Steps without graphs before the first with them: kernels are compiled and workspaces allocated by then."""


def can_replay(device: torch.device, rasterizer: str) -> bool:
    """Return whether steps on a device with a back end of `splatrig.rasterize` can be captured: gsplat's on CUDA."""
    return device.type == "cuda" and choose_backend(rasterizer, device.type) == "gsplat"


Measure = Callable[[Tensor, Mapping[str, Tensor]], Tensor]


class Replay:
    """Steps of a fit of one frame without components, on one photograph each; equal to `Fit.step` within rounding.

    All photographs are rendered at one size that holds the largest of them, since the size is part of a graph, and the
    lists of Gaussians per tile have room for `ROOM` times as many entries as any of them needs before the first step.
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
        self.background = objective.backdrops.at(0)[None].clone()
        self.loss = torch.zeros((), device=rig.device)
        rates = [fit.optimizer.rates.at(step) for step in range(steps)]
        self.rates = torch.tensor([[row[name] for name in adam.parameters] for row in rates], device=rig.device)
        self.rate = self.rates[0].clone()
        self.capacity = self._capacity(rig, views)
        self.most = torch.zeros((), dtype=torch.int32, device=rig.device)
        """Most entries that a step has needed."""
        for parameter in rig.base.values():
            parameter.grad = None  # each replay writes gradients to the memory that capturing gives them
        stream = torch.cuda.Stream(rig.device)
        stream.wait_stream(torch.cuda.current_stream(rig.device))
        self.forward, self.backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with _captured(self.forward, stream):
            splats = activate(Gaussians(**rig.base), unit_quats=False)
            projected = project(replace(splats, sh_degree=objective.render.sh_degree), self._views())
            image, alpha, count = composite_at_once(projected, self._views(), self.capacity)
            torch.maximum(self.most, count, out=self.most)
            regularizers = objective.regularized(torch.zeros_like(self.loss), splats, 1, 1.0)
        rendered = [image, alpha] if objective.render.backdrop == "plate" else [image]
        self.rendered = [tensor.detach() for tensor in (image, alpha)]
        self.slopes = [torch.zeros_like(tensor) for tensor in rendered]
        with _captured(self.backward, stream, self.forward):
            terms = [regularizers] if regularizers.requires_grad else []
            torch.autograd.backward([*rendered, *terms], [*self.slopes, *(None for _ in terms)])
            gradients = {name: p.grad for name, p in rig.base.items() if p.grad is not None}
            self.row = measure(self.loss + regularizers.detach(), gradients)
            adam.step(dict(zip(adam.parameters, self.rate, strict=True)))
        torch.cuda.current_stream(rig.device).wait_stream(stream)

    def step(self, step: int, shot: Shot) -> Tensor:
        """Take a step down the gradient; return what it records, which the next step overwrites."""
        view, render, background = shot.view, self.objective.render, self.objective.backdrops.at(step)
        given = [view.viewmats, view.Ks, behind(render, background)[None], self.rates[step]]
        torch._foreach_copy_([self.viewmats, self.Ks, self.background, self.rate], given)
        self.forward.replay()
        image, alpha = (corner(tensor, view).contiguous().requires_grad_() for tensor in self.rendered)
        loss = self.objective.photometric(compared(image, alpha, view, render, background))
        loss.backward()
        self.loss.copy_(loss.detach())
        for slope, part in zip(self.slopes, (image, alpha), strict=False):  # alpha has none without a plate
            assert part.grad is not None
            slope.zero_()
            corner(slope, view).copy_(part.grad)
        self.backward.replay()
        return self.row

    def check(self) -> None:
        """Raise OverflowError if a step needed more entries than there are, so that its rendering was wrong; waits."""
        if int(self.most) > self.capacity:
            raise OverflowError(
                f"Gaussians grew over {int(self.most)} places in tiles, more than the {self.capacity} expected"
            )

    def _views(self) -> Views:
        return Views(self.viewmats, self.Ks, self.width, self.height, self.background)

    @torch.no_grad()
    def _capacity(self, rig: TrainableRig, views: Sequence[View]) -> int:
        splats = activate(Gaussians(**rig.base), unit_quats=False)
        cameras = [Views(view.viewmats, view.Ks, self.width, self.height) for view in views]
        return int(ROOM * max(torch.stack([entries(splats, camera) for camera in cameras]).tolist())) + SPARE


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


def corner(image: Tensor, view: View) -> Tensor:  # [h, w, *]
    """Return the upper left corner of an image [1, H, W, *] in the size of a photograph, in the same memory."""
    return image[0, : view.height, : view.width]
