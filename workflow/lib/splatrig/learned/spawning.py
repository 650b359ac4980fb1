"""Propose free Gaussians where they are missing: points in front of cameras with large errors, and their motion."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from splatrig.gaussians.free import Motion
from splatrig.learned.jaw import Rigid
from splatrig.learned.look import COVERED, Look

INSIDE = 0.5
"""Matte value above which pixels are searched for errors."""


@dataclass(frozen=True)
class SpawnOptions:
    """Parameters for proposing and choosing points, measured on a ray-traced head and the same for all captures."""

    power: float = 1.5
    """Power of a pixel's error that its sampling probability is proportional to."""
    candidates: int = 12
    """Number of proposed points per wanted point."""
    before_mm: float = 10.0
    """Distance in front of the rendered depth up to which points are proposed."""
    behind_mm: float = 30.0
    """Distance behind the rendered depth up to which points are proposed."""
    agreement: float = 0.12
    """Standard deviation of a point's colors over cameras, in [0, 1], at which its score has fallen to 1/e."""
    hole_mm: float = 35.0
    """Distance behind an opening up to which points are proposed."""
    rim_mm: float = 3.0
    """Distance in front of an opening up to which points are proposed."""
    still_gain: float = 0.003
    """Margin in color error by which standing still, or moving with the jaw, must beat moving with the parent."""
    still_behind_mm: float = 10.0
    """Distance behind the rendered depth up to which a camera counts as seeing a point in that test."""


SPAWN = SpawnOptions()


@dataclass(frozen=True)
class Points:
    """S points in the poses of the frames in which they were found."""

    means: Tensor  # [S, 3]
    colors: Tensor  # [S, 3]
    """Mean colors over the cameras that see the points."""
    frames: Tensor  # [S]
    """Index of each point's frame."""
    scores: Tensor  # [S]
    """Score of each point, higher for more useful ones; 0 where no Gaussian can be."""

    def __len__(self) -> int:
        return len(self.means)

    def select(self, chosen: Tensor) -> "Points":
        """Return the points `chosen`."""
        return Points(*(values[chosen] for values in vars(self).values()))

    @classmethod
    def joined(cls, parts: "Sequence[Points]") -> "Points":
        """Return several sets of points as one."""
        return cls(*(torch.cat(values) for values in zip(*(vars(part).values() for part in parts), strict=True)))


def at_errors(looks: Sequence[Look], wanted: int, generator: torch.Generator, options: SpawnOptions = SPAWN) -> Points:
    """Return `wanted` points on the rays of pixels with large errors, near the rendered surface.

    Where little is rendered, points are anywhere along the ray past the head. They are sampled by their scores.
    """
    maps = [(look.error * (look.matte > INSIDE)).pow(options.power) for look in looks]
    mass = torch.stack([errors.sum() for errors in maps]).tolist()
    total = max(sum(mass), 1e-20)
    found = []
    for frame, (look, errors) in enumerate(zip(looks, maps, strict=True)):
        count = -int(-(mass[frame] / total * wanted * options.candidates) // 1)
        if count:
            found.append(scored(_on_rays(look, errors, count, generator, options), look, frame, options))
    return _drawn(Points.joined(found), wanted, generator) if found else _nothing(looks)


def behind_openings(
    looks: Sequence[Look],
    rims: Sequence[Tensor],  # each [R], indices of structured Gaussians around an opening
    directions: Tensor,  # [len(rims), 3] outward, unit length
    wanted: int,
    generator: torch.Generator,
    options: SpawnOptions = SPAWN,
) -> Points:
    """Return `wanted` points between the rims of openings and behind them, sampled by their scores."""
    device = directions.device
    each = max(8, wanted * options.candidates // (len(looks) * max(1, len(rims))))
    found = []
    for frame, look in enumerate(looks):
        places = []
        for rim, outward in zip(rims, directions, strict=True):
            first, second = (
                look.means[rim[draw]] for draw in torch.randint(len(rim), (2, each), generator=generator, device=device)
            )
            across, depth = torch.rand((2, each, 1), generator=generator, device=device)
            inward = depth * (options.rim_mm + options.hole_mm) - options.rim_mm
            places.append(torch.lerp(first, second, across) - inward * outward)
        found.append(scored(torch.cat(places), look, frame, options))
    return _drawn(Points.joined(found), wanted, generator)


def _on_rays(
    look: Look,
    errors: Tensor,  # [C, H, W]
    count: int,
    generator: torch.Generator,
    options: SpawnOptions,
) -> Tensor:  # [count, 3]
    """Return random points on the rays of pixels, which are sampled by their errors."""
    _, height, width = errors.shape
    pixel = torch.multinomial(errors.flatten().double() + 1e-20, count, replacement=True, generator=generator)
    camera, row, column = pixel // (height * width), pixel // width % height, pixel % width
    centers = look.means @ look.viewmats[:, 2, :3].T + look.viewmats[:, 2, 3]  # [N, C] depths
    front, back = centers.amin(dim=0)[camera] - options.behind_mm, centers.mean(dim=0)[camera] + options.behind_mm
    share, *jitter = torch.rand((3, count), generator=generator, device=errors.device)
    rendered = look.depth.flatten()[pixel] - options.before_mm + (options.before_mm + options.behind_mm) * share
    depth = torch.where(look.alpha.flatten()[pixel] > COVERED, rendered, torch.lerp(front, back, share))
    K, viewmat = look.Ks[camera], look.viewmats[camera]
    x = (column + jitter[0] - K[:, 0, 2]) / K[:, 0, 0] * depth
    y = (row + jitter[1] - K[:, 1, 2]) / K[:, 1, 1] * depth
    seen = torch.stack([x, y, depth], dim=1) - viewmat[:, :3, 3]
    return torch.einsum("sji,sj->si", viewmat[:, :3, :3], seen)


def scored(places: Tensor, look: Look, frame: int, options: SpawnOptions = SPAWN) -> Points:
    """Return `places` [S, 3] with their colors and scores in one frame.

    The score is the mean error over the cameras that see a point, reduced where its colors disagree, and 0 where any
    camera's matte excludes it.
    """
    found = look.project(places)
    kept = ~found.inside | (found.read(look.matte) > COVERED)
    nothing = found.read(look.alpha) < COVERED
    margin = options.behind_mm + 5.0
    seen = found.inside & ((found.depth < found.read(look.depth) + margin) | nothing)
    count = seen.sum(dim=0)
    weights = seen / count.clamp_min(1)
    photo = found.read(look.photo)
    color = (photo * weights[..., None]).sum(dim=0)
    spread = ((photo - color).square().mean(dim=-1) * weights).sum(dim=0)
    score = (found.read(look.error) * weights).sum(dim=0) * torch.exp(-spread / options.agreement**2)
    usable = kept.all(dim=0) & (count >= 2)
    return Points(places, color, torch.full((len(places),), frame, device=places.device), score * usable)


def _drawn(points: Points, wanted: int, generator: torch.Generator) -> Points:
    """Return up to `wanted` of the points, sampled without replacement by the squares of their scores."""
    chances = points.scores.double().square()
    count = min(wanted, int((chances > 0).sum()))
    if count == 0:
        return points.select(chances > 0)
    return points.select(torch.multinomial(chances, count, replacement=False, generator=generator))


def _nothing(looks: Sequence[Look]) -> Points:
    like = looks[0].means
    return Points(like[:0], like[:0], torch.zeros(0, dtype=torch.int64, device=like.device), like[:0, 0])


def nearest(points: Points, looks: Sequence[Look], at_once: int = 2000) -> Tensor:  # [S]
    """Return the structured Gaussian that is nearest to each point in the pose of its frame."""
    parents = torch.zeros(len(points), dtype=torch.int64, device=points.means.device)
    for frame in points.frames.unique().tolist():
        for part in (points.frames == frame).nonzero()[:, 0].split(at_once):
            parents[part] = torch.cdist(points.means[part], looks[frame].means).argmin(dim=1)
    return parents


def behind(
    points: Points,
    looks: Sequence[Look],
    rim: Tensor,  # [R] indices of structured Gaussians around an opening
    outward: Tensor,  # [3] unit normal
    options: SpawnOptions = SPAWN,
) -> Tensor:  # [S] bool
    """Return the mask of points that are behind an opening in the poses of their frames, within the search depth."""
    edges = torch.stack([look.means[rim] for look in looks])  # [L, R, 3]
    middles = edges.mean(dim=1)
    across = edges - middles[:, None]
    across = across - (across @ outward)[..., None] * outward
    away = points.means - middles[points.frames]
    depth = -(away @ outward)
    beside = (away + depth[:, None] * outward).norm(dim=1)
    wide = across.norm(dim=2).amax(dim=1)[points.frames]
    return (depth > -options.rim_mm) & (depth < options.hole_mm) & (beside < wide)


def motions_of(
    points: Points,
    parents: Tensor,
    looks: Sequence[Look],
    jaw: Rigid | None = None,
    jaw_too: Tensor | None = None,
    options: SpawnOptions = SPAWN,
) -> Tensor:  # [S]
    """Return the `Motion` with which each point's color is most consistent over all frames.

    This is its parent's motion, unless standing still is better by a margin, or moving with the `jaw`, whose motions
    are given per frame. The jaw is tested for the points where `jaw_too` [S] is True.
    """
    motions = torch.full_like(points.frames, Motion.PARENT)
    if not len(points):
        return motions
    origin = torch.stack([look.means for look in looks])[points.frames, parents]
    in_jaw = None
    if jaw is not None:
        rest = jaw.from_pose(points.means, points.frames)
        in_jaw = rest + jaw.at(rest)  # [L, S, 3]
    tried = (Motion.PARENT, Motion.STILL) if in_jaw is None else (Motion.PARENT, Motion.STILL, Motion.JAW)
    errors, counts = torch.zeros((2, len(tried), len(points)), device=points.means.device)
    for number, look in enumerate(looks):
        moved = [points.means + look.means[parents] - origin, points.means]
        for row, places in enumerate(moved if in_jaw is None else [*moved, in_jaw[number]]):
            found = look.project(places)
            nothing = found.read(look.alpha) < COVERED
            seen = found.inside & ((found.depth < found.read(look.depth) + options.still_behind_mm) | nothing)
            errors[row] += ((found.read(look.photo) - points.colors).abs().mean(dim=-1) * seen).sum(dim=0)
            counts[row] += seen.sum(dim=0)
    errors = torch.where(counts > 0, errors / counts.clamp_min(1), torch.ones_like(errors))
    least = errors[0] - options.still_gain
    for row, motion in list(enumerate(tried))[1:]:
        better = errors[row] < least
        if motion == Motion.JAW and jaw_too is not None:
            better &= jaw_too
        motions[better] = motion
        least = torch.where(better, errors[row], least)
    return motions
