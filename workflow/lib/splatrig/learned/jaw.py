"""The jaw: a rigid part behind the skin, whose motion is that of the chin."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.components.skin_torch import quat_product
from splatrig.mesh.template import Level

BELOW_MM, LOWEST_MM, ASIDE_MM, BACK_MM = 6.0, 60.0, 22.0, 35.0
"""Search region of the chin (mm): minimum and maximum distance below the mouth, maximum distance to the side and
behind."""
MOUTH_MM = 40.0
"""Openings within this distance of the mouth belong to it; the mouth is within this distance of the middle of the
face."""
LEAST_MM = 2.0
"""Frames in which the chin moves by more than this (mm) are used to detect a jaw."""
RIGID = 0.25
"""Largest fraction of the chin's motion that may remain after subtracting the best rigid motion."""
KEPT = 0.5
"""Fraction of the vertices below the mouth that are kept: those that move most rigidly."""
ROUNDS = 5
LEAST_VERTICES = 8


def mouth_of(level: Level, rims: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:  # [R]
    """Return the vertices around the mouth; empty if there is none.

    The mouth may be one opening or several pieces of one. It is found at the mouth landmark or, without one, at the
    lowest opening near the middle of the face.
    """
    if not rims:
        return np.zeros(0, np.int64)
    vertices, marks = level.vertices, level.marks
    middles = np.stack([vertices[rim].mean(axis=0) for rim in rims])
    if marks is not None:
        place = marks.mouth
    else:
        aside = np.abs(middles[:, 0] - 0.5 * (vertices[:, 0].min() + vertices[:, 0].max()))
        central = aside < max(MOUTH_MM, aside.min() + 1e-6)
        place = middles[central][middles[central, 1].argmin()]
    near = np.linalg.norm(middles - place, axis=1) < MOUTH_MM
    return np.concatenate([rim for rim, here in zip(rims, near, strict=True) if here] or [np.zeros(0, np.int64)])


def find_chin(
    vertices: NDArray[np.float64],  # [V, 3] vertices of the neutral, millimeters
    posed: NDArray[np.float64],  # [F, V, 3] vertices in other expressions
    mouth: NDArray[np.float64],  # [3]
) -> NDArray[np.int64]:  # [J]
    """Return the vertices of the chin: the half of those below the mouth that moves most rigidly; empty without a jaw.

    There is no jaw if nothing below the mouth moves by more than `LEAST_MM`, or nothing there moves rigidly.
    """
    x, y, z = (vertices - mouth).T
    below = (y < -BELOW_MM) & (y > -LOWEST_MM) & (np.abs(x) < ASIDE_MM) & (z > -BACK_MM)
    chosen = np.flatnonzero(below)
    moves = posed - vertices
    if len(chosen) < 2 * LEAST_VERTICES:
        return chosen[:0]
    length = np.linalg.norm(moves[:, chosen], axis=2).mean(axis=1)
    far = length > max(LEAST_MM, 0.5 * length.max(initial=0.0))
    if not far.any():
        return chosen[:0]
    candidates, size = chosen, max(LEAST_VERTICES, int(KEPT * len(chosen)))
    for _ in range(ROUNDS):
        rigid = Rigid.fitted(torch.as_tensor(vertices[chosen]), torch.as_tensor(moves[far][:, chosen]))
        missed = rigid.at(torch.as_tensor(vertices[candidates])).numpy() - moves[far][:, candidates]
        left = np.sqrt(np.square(missed).sum(axis=2).mean(axis=0))  # [candidates]
        chosen = np.sort(candidates[np.argsort(left, kind="stable")[:size]])
    moved = np.sqrt(np.square(moves[far][:, chosen]).sum(axis=2).mean())
    return chosen if np.sort(left)[:size].mean() < RIGID * moved else chosen[:0]


@dataclass(frozen=True)
class Rigid:
    """Small rigid motions of K components: displacement t + ω × (x - c) at the position x."""

    center: Tensor  # [3]
    """Center c of the rotations, millimeters."""
    moves: Tensor  # [K, 3]
    """Translations t, millimeters."""
    turns: Tensor  # [K, 3]
    """Rotation vectors ω, radians."""

    @classmethod
    def fitted(cls, places: Tensor, displacements: Tensor) -> "Rigid":
        """Return the rigid motions closest to `displacements` [K, J, 3] of `places` [J, 3], by least squares."""
        center = places.mean(dim=0)
        arms = places - center
        moves = displacements.mean(dim=1)
        inertia = arms.square().sum() * torch.eye(3).to(arms) - arms.T @ arms
        torques = torch.linalg.cross(arms.expand_as(displacements), displacements - moves[:, None]).sum(dim=1)
        return cls(center, moves, torques @ torch.linalg.pinv(inertia, hermitian=True))

    def at(self, places: Tensor) -> Tensor:  # [K, S, 3]
        """Return the displacement of `places` [S, 3] by each component."""
        arms = (places - self.center).expand(len(self.moves), *places.shape)
        return self.moves[:, None] + torch.linalg.cross(self.turns[:, None].expand_as(arms), arms)

    def turned(self, quats: Tensor) -> Tensor:  # [K, S, 4]
        """Return the change of `quats` [S, 4] by each component, to first order."""
        turns = torch.nn.functional.pad(0.5 * self.turns, (1, 0))
        return quat_product(turns[:, None], quats)

    def blended(self, weights: Tensor) -> "Rigid":
        """Return the motions of F frames with `weights` [F, K]."""
        return Rigid(self.center, weights @ self.moves, weights @ self.turns)

    def from_pose(self, places: Tensor, own: Tensor) -> Tensor:  # [S, 3]
        """Return the rest positions of `places` [S, 3], each posed by its `own` motion [S]."""
        turns = self.turns[own]
        zero = torch.zeros_like(turns[:, 0])
        x, y, z = turns.unbind(-1)
        crossed = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).reshape(-1, 3, 3)
        arms = places - self.center - self.moves[own]
        return self.center + torch.linalg.solve(torch.eye(3).to(places) + crossed, arms)
