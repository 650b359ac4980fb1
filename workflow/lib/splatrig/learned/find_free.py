"""Find free Gaussians: a learned rig whose free rows die where they are of no use and are put where errors are."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from splatrig.dataset.photographs import Photographs
from splatrig.fitting.checkpoint import Arrays, Slot
from splatrig.fitting.rig_optimizer import RigOptimizer
from splatrig.fitting.trainable_rig import RigStart, TrainableRig
from splatrig.fitting.world import World
from splatrig.gaussians.free import FreeGaussians
from splatrig.gaussians.gaussians import SH_C0
from splatrig.learned.fit import LearnedFit
from splatrig.learned.free_start import INHERITED, with_free
from splatrig.learned.look import Look, look_at
from splatrig.learned.mesh_components import read_meshes
from splatrig.learned.plan import LearnedPlan, LearningOptions
from splatrig.learned.spawning import SPAWN, Points, SpawnOptions, at_errors, behind_openings, nearest, stands_still
from splatrig.learned.stage import Subject, surroundings, training_schedule, validation_pairs
from splatrig.mesh.openings import openings

_LOG = logging.getLogger(__name__)

UNBORN = 1e-4
"""Opacity of rows that wait to be put somewhere: rasterizers leave them out."""


@dataclass(frozen=True)
class FindOptions:
    """How rows are relocated. Measured on a ray-traced head, and the same for all."""

    rounds: int = 14
    """Relocations, evenly over the first `until` of the steps."""
    until: float = 0.7
    share: float = 0.15
    """Of all rows, how many are put somewhere in a round at most."""
    views: int = 8
    """Training cameras that look at a frame in a round, others in every round."""
    looks: int = 512
    """Looks in a round at most: where there are more frames, some of them take turns at random."""
    dead: float = 0.005
    """Rows of less opacity are relocated,"""
    unseen: float = 0.5 / 256
    """and those of less blending weight, in pixels per look, that had two rounds of time."""
    quota: float = 0.2
    """Of the rows of a round, those that are put behind openings."""
    opacity: float = 0.2
    """Of new rows."""
    size_mm: float = 0.8
    """Of new rows."""
    penalty: float = 5e-7
    """Weight of every row's opacity in the loss: without, nothing dies and nothing can be relocated."""
    spawn: SpawnOptions = SPAWN


FIND = FindOptions()
FIND_ON_CPU = FindOptions(rounds=8, share=0.25, views=4, looks=64)
"""In a few minutes without a GPU."""

KEPT_OPACITY = (0.1, 0.5)
"""Bounds of the opacities that are kept: under the penalty rows end fainter than those that are learned afresh."""


class Relocation:
    """What happens to the free rows between the steps of a fit."""

    def __init__(
        self,
        rig: TrainableRig,
        optimizer: RigOptimizer,
        photographs: Photographs,
        plan: LearnedPlan,
        start: RigStart,
        rims: list[Tensor],
        directions: Tensor,  # [len(rims), 3]
        cameras: list[int],
        seed: int,
        options: FindOptions,
    ) -> None:
        """Prepare to relocate the rows of `rig` after those of the structured `start`.

        `photographs` are whole, of the training frames; `cameras` are those that train; see `behind_openings` for
        `rims` and `directions`.
        """
        self.rig, self.optimizer, self.photographs, self.plan, self.options = rig, optimizer, photographs, plan, options
        self.structured = len(start.base)
        assert start.basis is not None  # rigs are learned from components
        self.rows_below = next(iter(start.basis.deltas.values())).shape[1]
        self.rims, self.directions, self.cameras, self.seed = rims, directions, cameras, seed
        count = len(rig) - self.structured
        self.parents = torch.zeros(count, dtype=torch.int64, device=rig.device)
        self.still = torch.zeros(count, dtype=torch.bool, device=rig.device)
        self.born = torch.zeros(count, dtype=torch.int64, device=rig.device)
        """Step after which each row was put where it is."""

    def after(self, done: int) -> None:
        """Relocate the dead, when a round is due after `done` steps."""
        every = max(1, int(self.options.until * self.plan.steps) // self.options.rounds)
        if done % every == 0 and done <= every * self.options.rounds:
            self.relocate(done, every)

    @torch.no_grad()
    def relocate(self, done: int, every: int) -> None:
        """Put up to `share` of the rows that are dead where errors are."""
        options, device = self.options, self.rig.device
        generator = torch.Generator(device)
        generator.manual_seed(int(np.random.SeedSequence([self.seed, 12, done]).generate_state(1, np.uint64)[0] >> 1))
        frames, looks, weights = self._look(np.random.default_rng([self.seed, 13, done]))
        opacity = self.rig.base["logit_opacities"].detach()[self.structured :].sigmoid()
        views = sum(len(look.error) for look in looks)
        old = done - self.born > 2 * every
        dead = (opacity < options.dead) | ((weights < options.unseen * views) & old)
        rows = dead.nonzero()[:, 0]
        most = max(1, int(options.share * len(dead)))
        rows = rows[torch.randperm(len(rows), generator=generator, device=device)[:most]]
        special = int(options.quota * len(rows)) if self.rims else 0
        seen = torch.tensor(frames, device=device)
        points = at_errors(looks, len(rows) - special, generator, options.spawn)
        if special:
            behind = behind_openings(looks, self.rims, self.directions, special, generator, options.spawn)
            points = Points.joined([points, behind])
        parents = nearest(points, looks)
        still = stands_still(points, parents, looks, options.spawn)
        points = replace(points, frames=seen[points.frames])
        self.put(rows[: len(points)], points, parents, still, done)
        error = float(torch.stack([look.error.mean() for look in looks]).mean())
        _LOG.info(
            "step %d: error %.5f, %d dead, %d put, %d of them still",
            *(done, error, int(dead.sum()), len(points), int(still.sum())),
        )

    def _look(self, generator: np.random.Generator) -> tuple[list[int], list[Look], Tensor]:
        """Return some frames, how cameras see each, and the blending weights of the free rows over all of them."""
        available, count = len(self.photographs.frames), min(self.options.views, len(self.cameras))
        most = min(available, max(1, self.options.looks // count))
        frames = sorted(generator.choice(available, most, replace=False).tolist())
        pairs = [
            [(frame, int(camera)) for camera in np.sort(generator.choice(self.cameras, count, replace=False))]
            for frame in frames
        ]
        looks, weights = [], torch.zeros(len(self.rig) - self.structured, device=self.rig.device)
        for index, frame in enumerate(frames):
            for ahead in pairs[index : index + 2]:  # the next frame is decoded while this one is looked at
                self.photographs.hold(ahead)
            views = [self.photographs.view(pair) for pair in pairs[index]]
            posed = self.rig.activated(self.rig.weights[frame : frame + 1])
            with torch.enable_grad():
                look, own = look_at(posed, self.structured, views, self.plan.render)
            looks.append(look)
            weights += own[self.structured :]
            self.photographs.drop(pairs[index])
        return frames, looks, weights

    @torch.no_grad()
    def put(self, rows: Tensor, points: Points, parents: Tensor, still: Tensor, done: int) -> None:
        """Write free `rows` [S] whole: base, components and no memory of gradients."""
        rig, basis = self.rig, self.rig.basis
        assert basis is not None  # as in the start
        assert basis.supports is None  # rows are found by a rig of free weights
        self.parents[rows], self.still[rows], self.born[rows] = parents, still, done
        base, at = rig.base, self.structured + rows
        moved = torch.zeros_like(points.means)
        for frame in points.frames.unique().tolist():
            here = points.frames == frame
            displaced = rig.rows(rig.weights[frame : frame + 1])["means"][0] - base["means"]
            moved[here] = displaced[parents[here]]
        moved[still] = 0.0
        opacity = self.options.opacity
        base["means"][at] = points.means - moved
        base["quats"][at] = base["quats"][parents]
        base["log_scales"][at] = float(np.log(self.options.size_mm))
        base["logit_opacities"][at] = float(np.log(opacity / (1.0 - opacity)))
        base["sh0"][at, 0] = (points.colors - 0.5) / SH_C0
        base["shN"][at] = 0.0
        own = self.rows_below + rows
        values = basis.values.detach()
        if rows.numel():
            values[:, own] = self._inherited(parents, still) / (basis.unit[own] if basis.unit.ndim == 2 else basis.unit)
        for name, moments in self.optimizer.adam.moments.items():
            for remembered in (moments.mean, moments.square):
                if name == "basis":
                    remembered[:, own] = 0.0
                else:
                    remembered[at] = 0.0

    def _inherited(self, parents: Tensor, still: Tensor) -> Tensor:  # [K, S, A] raw
        """Return the components' change of new rows: the parents' where they move along, in place and rotation."""
        basis = self.rig.basis
        assert basis is not None
        rows = basis.dense()[:, parents]
        first = 0
        for name in basis.fields:
            size = self.rig.base[name][0].numel()
            if name not in INHERITED:
                rows[..., first : first + size] = 0.0
            first += size
        rows[:, still] = 0.0
        return rows

    def found(self) -> FreeGaussians:
        """Return the rows that live, as they are in the neutral face."""
        own = {name: tensor.detach()[self.structured :].cpu().numpy() for name, tensor in self.rig.base.items()}
        opacities = 1.0 / (1.0 + np.exp(-own["logit_opacities"].astype(np.float64)))
        kept = (opacities >= self.options.dead) & (self.born.cpu().numpy() > 0)
        return FreeGaussians(
            structured=self.structured,
            means=own["means"][kept],
            parents=self.parents.cpu().numpy()[kept],
            still=self.still.cpu().numpy()[kept],
            colors=(0.5 + SH_C0 * own["sh0"][kept, 0]).clip(0.0, 1.0).astype(np.float32),
            sizes=np.exp(own["log_scales"][kept].mean(axis=1)).astype(np.float32),
            opacities=opacities[kept].clip(*KEPT_OPACITY).astype(np.float32),
        )

    def state(self) -> Arrays:
        """Return what a later run needs to resume exactly."""
        return {name: getattr(self, name).cpu().numpy() for name in ("parents", "still", "born")}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `state` returned."""
        for name in ("parents", "still", "born"):
            getattr(self, name).copy_(tensors[name])


def unborn(start: RigStart, count: int) -> FreeGaussians:
    """Return rows that are nowhere yet, on their first parent."""
    return FreeGaussians(
        structured=len(start.base),
        means=np.repeat(start.base.means[:1], count, axis=0).astype(np.float32),
        parents=np.zeros(count, np.int64),
        still=np.zeros(count, np.bool_),
        colors=np.full((count, 3), 0.5, np.float32),
        sizes=np.full(count, 0.5, np.float32),
        opacities=np.full(count, UNBORN, np.float32),
    )


def find_free(
    start: RigStart,
    subject: Subject,
    count: int,
    options: LearningOptions,
    plan: LearnedPlan,
    seed: int,
    device: torch.device,
    slot: Slot | None = None,
    find: FindOptions | None = None,
) -> FreeGaussians:
    """Return up to `count` free Gaussians, found while a rig of free weights is learned from `start`.

    How they are found (`find`) depends by default on whether the device is a GPU.
    """
    find = find or (FIND_ON_CPU if device.type == "cpu" else FIND)
    names = subject.names("train")
    meshes = read_meshes(subject.dataset.folder, names, subject.template)
    base = subject.template.base
    around = openings(base.vertices, base.faces, meshes)
    normals = subject.normals
    outward = np.stack([normals[rim].mean(axis=0) for rim in around]) if around else np.zeros((0, 3))
    outward /= np.linalg.norm(outward, axis=1, keepdims=True).clip(min=1e-9)
    _LOG.info("%d openings of the mesh", len(around))
    with (
        subject.photographs(names, device) as cropped,
        subject.photographs(names, device, cropped=False) as whole,
    ):
        rig = TrainableRig(with_free(start, unborn(start, count)), plan.rates, device)
        fit = LearnedFit(
            rig,
            cropped,
            training_schedule(options, subject, len(names), seed, World()),
            replace(surroundings(subject, len(rig), validation_pairs(subject, names, seed)), free=count),
            replace(plan, opacity_weight=find.penalty),
        )
        relocation = Relocation(
            rig,
            fit.optimizer,
            whole,
            plan,
            start,
            [torch.as_tensor(rim, device=device) for rim in around],
            torch.as_tensor(outward, dtype=torch.float32, device=device),
            [int(camera) for camera in np.flatnonzero(~subject.cameras.held_out)],
            seed,
            find,
        )
        fit.run(slot, relocation)
    found = relocation.found()
    _LOG.info("%d of %d free Gaussians live, %d of them still", len(found), count, int(found.still.sum()))
    if not len(found):
        _LOG.warning(
            "learned.free: no Gaussian was found beyond the mesh, so rigs are learned without; look at the mattes, the "
            "alpha of the photographs in dataset/: nothing is put where they are empty"
        )
    return found
