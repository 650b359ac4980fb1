"""Find free Gaussians: learn a rig while useless free rows are relocated to where rendering errors are."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.components.fields import field_size
from splatrig.dataset.photographs import Pair, Photographs
from splatrig.fitting.checkpoint import Arrays, Slot
from splatrig.fitting.rig_optimizer import RigOptimizer
from splatrig.fitting.trainable_rig import RigStart, TrainableRig
from splatrig.fitting.world import World
from splatrig.gaussians.activated import linear_opacities
from splatrig.gaussians.free import EYES, FreeGaussians, Motion
from splatrig.gaussians.gaussians import SH_C0, Gaussians
from splatrig.landmarks.rims import Rims
from splatrig.learned.eyes import Looking, eye_colors, seed_eyes, turning_eyes
from splatrig.learned.fit import LearnedFit
from splatrig.learned.free_start import INHERITED, with_free
from splatrig.learned.jaw import Rigid, find_chin, mouth_of
from splatrig.learned.look import COVERED, Look, look_at
from splatrig.learned.mesh_components import read_meshes
from splatrig.learned.plan import LearnedPlan, LearningOptions
from splatrig.learned.spawning import (
    SPAWN,
    Points,
    SpawnOptions,
    at_errors,
    behind,
    behind_openings,
    motions_of,
    nearest,
)
from splatrig.learned.stage import Subject, surroundings, training_schedule, validation_pairs
from splatrig.mesh.openings import openings

_LOG = logging.getLogger(__name__)

UNBORN = 1e-4
"""Opacity of rows that wait to be placed; rasterizers skip them."""


@dataclass(frozen=True)
class FindOptions:
    """Parameters of the relocation, measured on a ray-traced head and the same for all captures."""

    rounds: int = 14
    """Number of relocations, evenly spaced over the first `until` of the steps."""
    until: float = 0.7
    share: float = 0.15
    """Fraction of all rows that are placed in one round at most."""
    views: int = 8
    """Training cameras that view a frame in a round; they differ between rounds."""
    looks: int = 512
    """Maximum number of views in a round; with more frames, a random subset is used in each round."""
    dead: float = 0.005
    """Rows with a smaller opacity than this are relocated."""
    unseen: float = 0.5 / 256
    """Rows with a smaller blending weight (pixels per view) than this are relocated too, after two rounds."""
    quota: float = 0.2
    """Fraction of a round's rows that are placed behind openings."""
    opacity: float = 0.2
    """Initial opacity of placed rows."""
    size_mm: float = 0.8
    """Initial size of placed rows."""
    penalty: float = 5e-7
    """Weight of every row's opacity in the loss: without this penalty no row fades out, and none can be relocated."""
    spawn: SpawnOptions = SPAWN


FIND = FindOptions()
FIND_ON_CPU = FindOptions(rounds=6, share=0.3, views=4, looks=48)
"""Parameters for a few minutes without a GPU."""

KEPT_OPACITY = (0.1, 0.5)
"""Bounds of the opacities that are kept: under the penalty, rows end fainter than they would without it."""
OUTSIDE_VIEWS, NEARBY_PX = 2, 2
"""Rows are dropped if this many cameras see nothing within this many pixels around them; one matte may be wrong."""
UNPUT = -1
"""Step of placement of rows that were not placed yet."""


@dataclass(frozen=True)
class Around:
    """Openings of a mesh, and the chin below one of them."""

    rims: list[Tensor]  # of [R]
    """Structured Gaussians around each opening."""
    outward: Tensor  # [len(rims), 3], unit length
    mouth: Tensor  # [R]
    """Structured Gaussians around the mouth; empty if unknown."""
    mouth_outward: Tensor  # [3]
    chin: Tensor  # [J]
    """Structured Gaussians that move with the jaw; empty if there is no known jaw."""

    @classmethod
    def of(
        cls, subject: Subject, meshes: NDArray[np.float64], device: torch.device, known: Rims | None = None
    ) -> "Around":
        """Return the openings and the chin from the tracked `meshes` [F, V, 3] of the training frames.

        Meshes are used where landmarks give no rims.
        """
        base, normals = subject.template.base, subject.normals
        if known is not None and known.mouth:
            rims = [np.unique(rim.held.nearest_vertices(base.faces)) for rim in (*known.mouth, *known.eyes)]
            mouth = np.concatenate(rims[: len(known.mouth)])
        else:
            rims = openings(base.vertices, base.faces, meshes)
            mouth = mouth_of(base, rims)
        chin = np.zeros(0, np.int64)
        if len(mouth):
            place = base.vertices[mouth].mean(axis=0) if base.marks is None else base.marks.mouth
            chin = find_chin(base.vertices, meshes, place)
        _LOG.info("%d openings of the mesh, %d vertices of a chin that moves rigidly with a jaw", len(rims), len(chin))
        outward = np.stack([_outward(normals, rim) for rim in rims]) if rims else np.zeros((0, 3))
        return cls(
            [torch.as_tensor(rim, device=device) for rim in rims],
            torch.as_tensor(outward, dtype=torch.float32, device=device),
            torch.as_tensor(mouth, device=device),
            torch.as_tensor(_outward(normals, mouth), dtype=torch.float32, device=device),
            torch.as_tensor(chin, device=device),
        )


def _outward(normals: NDArray[np.float64], rim: NDArray[np.int64]) -> NDArray[np.float64]:  # [N, 3], [R] to [3]
    """Return the mean normal around an opening, of unit length."""
    outward = normals[rim].sum(axis=0) / max(1, len(rim))
    return outward / max(float(np.linalg.norm(outward)), 1e-9)


class Relocation:
    """Relocation of free rows between the steps of a fit."""

    def __init__(
        self,
        rig: TrainableRig,
        optimizer: RigOptimizer,
        photographs: Photographs,
        plan: LearnedPlan,
        start: RigStart,
        free: FreeGaussians,
        around: Around,
        cameras: list[int],
        seed: int,
        options: FindOptions,
        world: World | None = None,
    ) -> None:
        """Prepare to relocate the rows of `rig` after those of the structured `start`, which are `free` initially.

        `photographs` are whole images of the training frames; `cameras` are the training cameras. Of several processes
        in a `world`, the first relocates and the others take over its rows: near a threshold, rounding decides.
        """
        self.world = world or World()
        self.rig, self.optimizer, self.photographs, self.plan, self.options = rig, optimizer, photographs, plan, options
        self.structured = len(start.base)
        assert start.basis is not None  # learned rigs always start from components
        self.rows_below = next(iter(start.basis.deltas.values())).shape[1]
        self.around, self.cameras, self.seed = around, cameras, seed
        self.parents = torch.as_tensor(free.parents, device=rig.device)
        self.motions = torch.as_tensor(free.motions, device=rig.device)
        self.of_eyes = (self.motions[:, None] == torch.tensor(EYES, device=rig.device)).any(dim=1)
        """Mask of the rows that belong to an eyeball: they stay there and are never relocated."""
        self.born = torch.where(self.of_eyes, 0, UNPUT)
        """Step after which each row was last placed."""

    def begin(self) -> None:
        """Set the colors of the eyes' rows from photographs of the neutral, before the first step."""
        if self.world.rank == 0:
            self._color_eyes()
        self.world.share([self.rig.base["sh0"].detach()])

    def _color_eyes(self) -> None:
        own = self.of_eyes.nonzero()[:, 0]
        if not len(own):
            return
        row = self.rig.neutral_row
        pairs = self._some_pairs(row, np.random.default_rng([self.seed, 14]))
        self.photographs.hold(pairs)
        look, _ = self._look_at(row, pairs)
        with torch.no_grad():
            at = self.structured + own
            self.rig.base["sh0"][at, 0] = (eye_colors(self.rig.base["means"][at], look) - 0.5) / SH_C0

    def after(self, done: int) -> None:
        """Relocate dead rows if a round is due after `done` steps."""
        every = max(1, int(self.options.until * self.plan.steps) // self.options.rounds)
        if done % every == 0 and done <= every * self.options.rounds:
            if self.world.rank == 0:
                self.relocate(done, every)
            self.world.share(self._moved)

    @property
    def _moved(self) -> list[Tensor]:
        """Every tensor that a relocation may change."""
        basis, moments = self.rig.basis, self.optimizer.adam.moments.values()
        assert basis is not None  # as in the rig's start
        remembered = [tensor for own in moments for tensor in (own.mean, own.square)]
        rig = [tensor.detach() for tensor in (*self.rig.base.values(), basis.values)]
        return [*rig, *remembered, self.parents, self.motions, self.born]

    @torch.no_grad()
    def relocate(self, done: int, every: int) -> None:
        """Move up to `share` of the dead rows to where errors are."""
        options, device = self.options, self.rig.device
        generator = torch.Generator(device)
        generator.manual_seed(int(np.random.SeedSequence([self.seed, 12, done]).generate_state(1, np.uint64)[0] >> 1))
        frames, looks, weights = self._look(np.random.default_rng([self.seed, 13, done]))
        opacity = self.rig.base["logit_opacities"].detach()[self.structured :].sigmoid()
        views = sum(len(look.error) for look in looks)
        old = done - self.born > 2 * every
        dead = ((opacity < options.dead) | ((weights < options.unseen * views) & old)) & ~self.of_eyes
        rows = dead.nonzero()[:, 0]
        most = max(1, int(options.share * len(dead)))
        rows = rows[torch.randperm(len(rows), generator=generator, device=device)[:most]]
        around = self.around
        special = int(options.quota * len(rows)) if around.rims else 0
        seen = torch.tensor(frames, device=device)
        points = at_errors(looks, len(rows) - special, generator, options.spawn)
        if special:
            hidden = behind_openings(looks, around.rims, around.outward, special, generator, options.spawn)
            points = Points.joined([points, hidden])
        parents = nearest(points, looks)
        jaw, in_mouth = self.jaw(), None
        if jaw is not None:  # a jaw implies a mouth
            jaw = jaw.blended(self.rig.weights[seen, : len(jaw.moves)])
            in_mouth = behind(points, looks, around.mouth, around.mouth_outward, options.spawn)
        motions = motions_of(points, parents, looks, jaw, in_mouth, options.spawn)
        points = replace(points, frames=seen[points.frames])
        self.put(rows[: len(points)], points, parents, motions, done)
        error = float(torch.stack([look.error.mean() for look in looks]).mean())
        _LOG.info(
            "step %d: error %.5f, %d dead, %d placed, %d of them still, %d with the jaw",
            *(done, error, int(dead.sum()), len(points), *_counted(motions, Motion.STILL, Motion.JAW)),
        )

    def jaw(self) -> Rigid | None:
        """Return the jaw's rigid motion under each component in its current state; None if there is no known jaw."""
        basis, chin = self.rig.basis, self.around.chin
        assert basis is not None
        if not len(chin) or "means" not in basis.fields:
            return None
        first = sum(field_size(name) for name in basis.fields[: basis.fields.index("means")])
        return Rigid.fitted(self.rig.base["means"].detach()[chin], basis.dense()[:, chin, first : first + 3])

    def _look(self, generator: np.random.Generator) -> tuple[list[int], list[Look], Tensor]:
        """Return some frames, the views of each, and the blending weights of the free rows over all of them."""
        available, count = len(self.photographs.frames), min(self.options.views, len(self.cameras))
        most = min(available, max(1, self.options.looks // count))
        frames = sorted(generator.choice(available, most, replace=False).tolist())
        pairs = [self._some_pairs(frame, generator) for frame in frames]
        looks, weights = [], torch.zeros(len(self.rig) - self.structured, device=self.rig.device)
        for index, frame in enumerate(frames):
            for ahead in pairs[index : index + 2]:  # the next frame is decoded while this one is rendered
                self.photographs.hold(ahead)
            look, own = self._look_at(frame, pairs[index])
            looks.append(look)
            weights += own[self.structured :]
        return frames, looks, weights

    def _some_pairs(self, frame: int, generator: np.random.Generator) -> list[Pair]:
        """Return pairs of a frame with up to `views` of the cameras that have a photograph of it."""
        there = self._there(frame)
        count = min(self.options.views, len(there))
        return [(frame, int(camera)) for camera in np.sort(generator.choice(there, count, replace=False))]

    def _there(self, frame: int) -> list[int]:
        """Return the training cameras that have a photograph of a frame."""
        return [camera for camera in self.cameras if self.photographs.frames[frame].has(camera)]

    def _look_at(self, frame: int, pairs: list[Pair]) -> tuple[Look, Tensor]:
        """Return the views of a frame by its training cameras in memory, and the blending weight of every row."""
        views = [self.photographs.view(pair) for pair in pairs]
        with torch.no_grad():
            posed = self.rig.activated(self.rig.weights[frame : frame + 1])
        with torch.enable_grad():
            seen = look_at(posed, self.structured, views, self.plan.render)
        self.photographs.drop(pairs)
        return seen

    @torch.no_grad()
    def put(self, rows: Tensor, points: Points, parents: Tensor, motions: Tensor, done: int) -> None:
        """Overwrite free `rows` [S]: their base, their components and their optimizer state."""
        rig, basis = self.rig, self.rig.basis
        assert basis is not None  # as in the rig's start
        assert basis.supports is None  # rows are found with a rig of free weights
        self.parents[rows], self.motions[rows], self.born[rows] = parents, motions, done
        base, at = rig.base, self.structured + rows
        rest = points.means.clone()
        for frame in points.frames.unique().tolist():
            here = (points.frames == frame) & (motions == Motion.PARENT)
            displaced = rig.rows(rig.weights[frame : frame + 1])["means"][0] - base["means"]
            rest[here] -= displaced[parents[here]]
        jaw, in_jaw = self.jaw(), motions == Motion.JAW
        if jaw is not None:
            posed = jaw.blended(rig.weights[points.frames[in_jaw], : len(jaw.moves)])
            rest[in_jaw] = posed.from_pose(points.means[in_jaw], torch.arange(int(in_jaw.sum()), device=rest.device))
        opacity = self.options.opacity
        base["means"][at] = rest
        base["quats"][at] = base["quats"][parents]
        base["log_scales"][at] = float(np.log(self.options.size_mm))
        base["logit_opacities"][at] = float(np.log(opacity / (1.0 - opacity)))
        base["sh0"][at, 0] = (points.colors - 0.5) / SH_C0
        base["shN"][at] = 0.0
        own = self.rows_below + rows
        values = basis.values.detach()
        if rows.numel():
            inherited = self._inherited(rest, parents, motions, jaw)
            values[:, own] = inherited / (basis.unit[own] if basis.unit.ndim == 2 else basis.unit)
        for name, moments in self.optimizer.adam.moments.items():
            for remembered in (moments.mean, moments.square):
                if name == "basis":
                    remembered[:, own] = 0.0
                else:
                    remembered[at] = 0.0

    def _inherited(
        self,
        places: Tensor,  # [S, 3] at rest
        parents: Tensor,  # [S]
        motions: Tensor,  # [S]
        jaw: Rigid | None,
    ) -> Tensor:  # [K, S, A] raw
        """Return the components' change of new rows, that of their parents or of the jaw, in position and rotation."""
        basis = self.rig.basis
        assert basis is not None
        rows = basis.dense()[:, parents]
        in_jaw, first = motions == Motion.JAW, 0
        for name in basis.fields:
            columns = slice(first, first + field_size(name))
            if name not in INHERITED:
                rows[..., columns] = 0.0
            elif jaw is not None:
                quats = self.rig.base["quats"][parents[in_jaw]]
                rows[:, in_jaw, columns] = jaw.at(places[in_jaw]) if name == "means" else jaw.turned(quats)
            first += field_size(name)
        rows[:, (motions != Motion.PARENT) & ~in_jaw] = 0.0
        return rows

    def outside(self) -> NDArray[np.bool_]:  # [M]
        """Return the mask of rows outside the head: several training cameras see nothing there in the neutral.

        A round uses only some of the cameras; beyond the view of these, another camera may see past the head.
        """
        row = self.rig.neutral_row
        places, empty = self.rig.base["means"].detach()[self.structured :], torch.zeros_like(self.born)
        cameras = self._there(row)
        for start in range(0, len(cameras), self.options.views):
            pairs = [(row, camera) for camera in cameras[start : start + self.options.views]]
            self.photographs.hold(pairs)
            look, _ = self._look_at(row, pairs)
            matte = torch.nn.functional.max_pool2d(look.matte[:, None], 2 * NEARBY_PX + 1, 1, NEARBY_PX)[:, 0]
            at = look.project(places)
            empty += (at.inside & (at.read(matte) < COVERED)).sum(dim=0)
        return (empty >= OUTSIDE_VIEWS).cpu().numpy()

    def found(self) -> FreeGaussians:
        """Return the rows that are alive and not outside, in the neutral face."""
        own = {name: tensor.detach()[self.structured :].cpu().numpy() for name, tensor in self.rig.base.items()}
        opacities = linear_opacities(Gaussians(**own))
        alive = (opacities >= self.options.dead) & (self.born.cpu().numpy() > UNPUT)
        kept = alive & ~self.outside()
        _LOG.info("%d rows were outside the mattes of the neutral and are dropped", int(alive.sum() - kept.sum()))
        return FreeGaussians(
            structured=self.structured,
            means=own["means"][kept],
            parents=self.parents.cpu().numpy()[kept],
            motions=self.motions.cpu().numpy()[kept],
            colors=(0.5 + SH_C0 * own["sh0"][kept, 0]).clip(0.0, 1.0).astype(np.float32),
            sizes=np.exp(own["log_scales"][kept].mean(axis=1)).astype(np.float32),
            opacities=opacities[kept].clip(*KEPT_OPACITY).astype(np.float32),
            jaw=self.around.chin.cpu().numpy(),
        )

    def state(self) -> Arrays:
        """Return the state that a later run needs to resume exactly."""
        return {name: getattr(self, name).cpu().numpy() for name in ("parents", "motions", "born")}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        for name in ("parents", "motions", "born"):
            getattr(self, name).copy_(tensors[name])


def unborn(start: RigStart, count: int) -> FreeGaussians:
    """Return rows that are not placed yet, attached to their first parent."""
    return FreeGaussians(
        structured=len(start.base),
        means=np.repeat(start.base.means[:1], count, axis=0).astype(np.float32),
        parents=np.zeros(count, np.int64),
        motions=np.full(count, Motion.PARENT, np.int64),
        colors=np.full((count, 3), 0.5, np.float32),
        sizes=np.full(count, 0.5, np.float32),
        opacities=np.full(count, UNBORN, np.float32),
        jaw=np.zeros(0, np.int64),
    )


def _counted(motions: Tensor, *wanted: Motion) -> list[int]:
    return [int((motions == motion).sum()) for motion in wanted]


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
    looking: Looking | None = None,
    rims: Rims | None = None,
) -> FreeGaussians:
    """Return up to `count` free Gaussians, found while a rig of free weights is learned from `start`.

    Some of them are on eyeballs from the first step, if these are known (`looking`). A fraction of the others is placed
    behind the `rims` of mouth and eyes or, without rims, behind openings of the meshes. The default of `find` depends
    on whether the device is a GPU. Several processes may find them together; all return the same.
    """
    find, world = find or (FIND_ON_CPU if device.type == "cpu" else FIND), World.current()
    names = subject.names("train")
    meshes = read_meshes(subject.dataset.folder, names, subject.template)
    first = unborn(start, count)
    if looking is not None:
        first = seed_eyes(first, start.base.means, looking)
    with (
        subject.photographs(names, device, sharing=world.size) as cropped,
        subject.photographs(names, device, cropped=False, sharing=world.size) as whole,
    ):
        rig = TrainableRig(turning_eyes(with_free(start, first), first, looking), plan.rates, device)
        fit = LearnedFit(
            rig,
            cropped,
            training_schedule(options, subject, names, seed, world),
            replace(surroundings(subject, len(rig), validation_pairs(subject, names, seed)), free=count),
            replace(plan, opacity_weight=find.penalty),
            world,
        )
        relocation = Relocation(
            rig,
            fit.optimizer,
            whole,
            plan,
            start,
            first,
            Around.of(subject, meshes, device, rims),
            [int(camera) for camera in np.flatnonzero(~subject.cameras.held_out)],
            seed,
            find,
            world,
        )
        relocation.begin()
        fit.run(slot, relocation)
        found = relocation.found()
    live = [f"{int((found.motions == motion).sum())} {motion.name.lower().replace('_', ' ')}" for motion in Motion]
    _LOG.info("%d of %d free Gaussians are alive: %s", len(found), count, ", ".join(live))
    if not len(found):
        _LOG.warning(
            "learned.free: no Gaussian was found beyond the mesh, so rigs are learned without; check the mattes, the "
            "alpha of the photographs in dataset/: nothing is put where they are empty"
        )
    return found
