"""Hair of the demo's people: locks of strands that grow from the scalp and move rigidly with the skull."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from splatrig.capture.demo.head import FACE, NECK, FineHead, HeadModel
from splatrig.capture.demo.identity import HairStyle
from splatrig.capture.demo.skin import hair_share
from splatrig.capture.demo.strands import Strands, ribbons, unit
from splatrig.mesh.normals import vertex_normals

NODES = 7
"""Points of a strand; lashes have as many."""
CLEARANCE_MM = 1.2
"""Strands stay this far above the scalp."""
_DOWN = np.array([0.0, -1.0, 0.0])


def grow_hair(head: HeadModel, fine: FineHead, style: HairStyle, generator: np.random.Generator) -> Strands:
    """Grow the hair of the neutral head; the same generator gives the same hair.

    A lock is one guide strand, drawn along the scalp away from the crown, and `style.strands` strands around it whose
    tips lean towards the guide. All strands of a lock take the light of the guide.
    """
    surface = fine.operator @ head.neutral
    normals = vertex_normals(surface, fine.triangles)
    skin = np.unique(fine.triangles[np.isin(fine.triangle_parts, (FACE, NECK))])
    roots, upward = _roots(head, fine, surface, normals, style.locks * style.strands, generator)
    chosen = _spread(roots, style.locks, generator)
    guides = _guides(roots[chosen], upward[chosen], style, surface[skin], normals[skin], generator)
    lock = np.asarray(cKDTree(roots[chosen]).query(roots, workers=1)[1])
    order = np.argsort(lock, kind="stable")
    roots, lock = roots[order], lock[order]

    count = len(roots)
    steps = np.linspace(0.0, 1.0, NODES)[:, None]
    length = generator.uniform(1.0 - style.unevenness, 1.0 + 0.4 * style.unevenness, (count, 1, 1))
    own = roots[:, None] + length * (guides[lock] - guides[lock, :1])
    lean = style.clumping * steps
    points = (1.0 - lean) * own + lean * (guides[lock] + (length - 1.0) * (guides[lock] - guides[lock, :1]))
    points = points + steps * generator.normal(0.0, style.fuzz_mm, (count, 1, 3))
    points = points + steps**2 * generator.normal(0.0, style.fuzz_mm, (count, NODES, 3))
    if style.curl_mm:
        points = points + _curls(points, style, generator)
    _, first = np.unique(lock, return_index=True)
    return ribbons(
        points,
        style.width_mm,
        generator.uniform(0.0, np.pi, count),
        generator.uniform(0.0, 1.0, count),
        first[np.searchsorted(np.unique(lock), lock)],
    )


def _roots(
    head: HeadModel,
    fine: FineHead,
    surface: NDArray[np.float64],  # [m, 3]
    normals: NDArray[np.float64],  # [m, 3]
    count: int,
    generator: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw `count` points of the scalp, evenly by area, with the normals there [count, 3]."""
    skin, share = _hair_shares(head, fine, surface)
    corners = fine.triangles[skin]
    edges = surface[corners[:, 1:]] - surface[corners[:, :1]]
    areas = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
    mass = areas * np.where(share > 0.5, share, 0.0)
    picked = generator.choice(len(skin), count, p=mass / mass.sum())
    one, other = generator.uniform(size=(2, count))
    over = one + other > 1.0
    one, other = np.where(over, 1.0 - one, one), np.where(over, 1.0 - other, other)
    weights = np.stack([1.0 - one - other, one, other], axis=1)
    roots = np.einsum("kc,kcd->kd", weights, surface[corners[picked]])
    upward = np.einsum("kc,kcd->kd", weights, normals[corners[picked]])
    return roots, upward / np.linalg.norm(upward, axis=1, keepdims=True)


def scalp(head: HeadModel, fine: FineHead) -> NDArray[np.int64]:
    """Return the triangles that hair grows from."""
    skin, share = _hair_shares(head, fine, fine.operator @ head.neutral)
    return skin[share > 0.5]


def _hair_shares(
    head: HeadModel,
    fine: FineHead,
    surface: NDArray[np.float64],  # [m, 3] of the neutral
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the triangles of the skin, and the fraction of each that belongs to the scalp, 0 to 1."""
    skin = np.flatnonzero(np.isin(fine.triangle_parts, (FACE, NECK)))
    middles = surface[fine.triangles[skin]].mean(axis=1)
    return skin, hair_share(head, fine.triangle_uvs[skin].mean(axis=1), middles, fine.triangle_parts[skin])


def _spread(points: NDArray[np.float64], count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return the indices of about `count` points that keep a distance from each other, at least one."""
    area = 4.0 * np.ptp(points[:, 0]) * np.ptp(points[:, 2])
    reach = 0.5 * np.sqrt(area / count)
    left = np.ones(len(points), dtype=bool)
    tree = cKDTree(points)
    chosen: list[int] = []
    for index in generator.permutation(len(points)):
        if left[index] and len(chosen) < count:
            chosen.append(int(index))
            left[tree.query_ball_point(points[index], reach)] = False
    return np.array(chosen)


def _guides(
    roots: NDArray[np.float64],  # [g, 3]
    upward: NDArray[np.float64],  # [g, 3]
    style: HairStyle,
    surface: NDArray[np.float64],  # [m, 3]
    normals: NDArray[np.float64],  # [m, 3]
    generator: np.random.Generator,
) -> NDArray[np.float64]:  # [g, NODES, 3]
    """Draw the guide strands: away from the scalp and the crown, then downwards, never into the head."""
    high = roots[:, 1].max()
    crown = np.array([8.0, high, np.median(roots[:, 2]) - 12.0])
    combed = roots - crown
    combed = unit(combed - np.einsum("gd,gd->g", combed, upward)[:, None] * upward)
    top = np.clip((roots[:, 1] - 0.35 * high) / (0.5 * high), 0.0, 1.0)
    length = style.short_mm + (style.long_mm - style.short_mm) * top
    length = length * generator.uniform(1.0 - style.unevenness, 1.0, len(roots))
    step = (length / (NODES - 1))[:, None]
    along = unit(style.lift * upward + combed + generator.normal(0.0, style.disorder, combed.shape))
    points, tree = [roots], cKDTree(surface)
    for _ in range(NODES - 1):
        along = unit(along + style.fall * _DOWN)
        ahead = points[-1] + step * along
        _, near = tree.query(ahead, workers=1)
        height = np.einsum("gd,gd->g", ahead - surface[near], normals[near])
        points.append(ahead + np.maximum(CLEARANCE_MM - height, 0.0)[:, None] * normals[near])
    return np.stack(points, axis=1)


def _curls(
    points: NDArray[np.float64],  # [s, NODES, 3]
    style: HairStyle,
    generator: np.random.Generator,
) -> NDArray[np.float64]:  # [s, NODES, 3]
    """Return the offsets that wind strands around their paths, growing from the roots."""
    along = unit(np.gradient(points, axis=1))
    side = unit(np.cross(along, np.array([0.31, 0.17, 0.93])))
    other = np.cross(along, side)
    turns = generator.uniform(0.0, 2.0 * np.pi, (len(points), 1)) + 2.0 * np.pi * style.curl_turns * np.linspace(
        0.0, 1.0, points.shape[1]
    )
    grown = style.curl_mm * np.minimum(np.linspace(0.0, 2.0, points.shape[1]), 1.0)[:, None]
    return grown * (np.cos(turns)[..., None] * side + np.sin(turns)[..., None] * other)
