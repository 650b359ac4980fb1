"""The demo head: a quad mesh with UVs in its own atlas, its parts, and its linear face units."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatrig.capture.demo.catmull_clark import subdivide, subdivide_corners
from splatrig.capture.demo.identity import FIRST, Complexion, Person
from splatrig.io.errors import InputError

SCALE = 1.03
"""Scale from MakeHuman's millimeters to those of the demo, so that the pupils are 61 mm apart."""
CUT_HEIGHT_MM = -126.0
"""The neck ends in the surface y = CUT_HEIGHT_MM + CUT_SLOPE * z + CUT_BEND * x² of head space."""
CUT_SLOPE, CUT_BEND = -0.12, 0.0042

RIM_SMOOTHING_STEPS = 6

EYE_MAP_ANGLE = 1.9
"""Angle in radians from the front of an eyeball up to which its tile of the atlas reaches; the rest is never seen."""

FACE, NECK, MOUTH, SOCKETS, EYES, TEETH, TONGUE, BASE = range(8)
"""Parts of the head that a quad or triangle can belong to; the base closes the cut neck."""
_PART_OF_GROUP = {1: EYES, 2: EYES, 3: TEETH, 4: TEETH, 5: TONGUE}

_TILES = {
    "face": (0.005, 0.005, 0.515, 0.985),
    "neck": (0.54, 0.01, 0.985, 0.185),
    "mouth": (0.54, 0.21, 0.80, 0.40),
    "socket_left": (0.82, 0.21, 0.90, 0.32),
    "socket_right": (0.905, 0.21, 0.985, 0.32),
    "teeth": (0.54, 0.42, 0.80, 0.58),
    "tongue": (0.82, 0.34, 0.93, 0.56),
    "eye_left": (0.54, 0.60, 0.74, 0.80),
    "eye_right": (0.76, 0.60, 0.96, 0.80),
    "lids": (0.54, 0.83, 0.72, 0.95),
    "lips": (0.74, 0.83, 0.86, 0.95),
    "base": (0.88, 0.83, 0.985, 0.95),
    "hair": (0.945, 0.35, 0.985, 0.55),
}
"""Position of each chart in the atlas: left, bottom, right, top."""


@dataclass(frozen=True)
class HeadModel:
    """A neutral head and its face units in head space (millimeters, y up, nose at +z)."""

    neutral: NDArray[np.float64]  # [n, 3]
    quads: NDArray[np.int64]  # [q, 4]
    corner_uvs: NDArray[np.float64]  # [q, 4, 2]
    """Texture coordinates of the corners of each quad in the atlas."""
    parts: NDArray[np.int64]  # [q]
    units: Mapping[str, NDArray[np.float64]]  # name -> [n, 3]
    masks: Mapping[str, NDArray[np.float64]]  # name -> [h, w]
    """Regions `lips` and `ears` in 0..1 over the face's tile of the atlas, first row at its bottom."""
    complexion: Complexion

    def posed(self, weights: Mapping[str, float]) -> NDArray[np.float64]:
        """Return the vertices [n, 3] with face units added: neutral + sum of weight * unit."""
        unknown = sorted(set(weights) - set(self.units))
        if unknown:
            raise InputError(f"Expression unit {unknown[0]!r} does not exist; the head has {', '.join(self.units)}.")
        return self.neutral + sum((weight * self.units[name] for name, weight in weights.items()), np.zeros(3))

    @property
    def outer(self) -> NDArray[np.bool_]:
        """The quads that a tracker sees: face and neck, without the insides of mouth and eye sockets [q]."""
        return np.isin(self.parts, (FACE, NECK))


@dataclass(frozen=True)
class FineHead:
    """The head mesh subdivided twice, as it is rendered."""

    operator: sp.csr_matrix  # [m, n]
    triangles: NDArray[np.int32]  # [t, 3]
    triangle_uvs: NDArray[np.float32]  # [t, 3, 2]
    triangle_parts: NDArray[np.int64]  # [t]
    spread: sp.csr_matrix  # [m, k]
    """Interpolates values at the first k vertices (those of the last level but one) to all."""
    lids: tuple[NDArray[np.int64], ...]  # [l] each
    """The rims of the lid openings, cyclic lists of vertices, the one at negative x first."""


def tile(name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lower left corner and the size [2] of a chart in the atlas."""
    left, bottom, right, top = _TILES[name]
    return np.array([left, bottom]), np.array([right - left, top - bottom])


def load_head(path: str | Path, person: Person = FIRST) -> HeadModel:
    """Build one of the demo's people from the retrieved head file.

    All are the first one with its targets' weights changed, cut where the first is cut, so all share its topology.
    """
    with np.load(path) as data:
        vertices, quads, groups = data["vertices"].astype(float), data["quads"].astype(int), data["groups"]
        uvs, quad_uvs = data["uvs"].astype(float), data["quad_uvs"].astype(int)
        targets = dict(zip(data["target_names"].tolist(), data["targets"].astype(float), strict=True))
        masks = {name: data[name][::-1] / 255.0 for name in ("lips", "ears")}
    other = np.zeros_like(vertices)
    for name, weight in FIRST.targets.items():
        offsets = targets.pop(name)
        vertices = vertices + weight * offsets
        other = other + (person.targets[name] - weight) * offsets

    parts = np.array([_PART_OF_GROUP.get(int(group), FACE) for group in groups])
    charts = _charts(quad_uvs)
    parts[parts == FACE] = _body_parts(vertices, quads, charts, parts)[parts == FACE]
    origin, other_origin = (_origin(shape, quads, groups, parts) for shape in (vertices, vertices + other))
    other = SCALE * (other - (other_origin - origin))
    vertices = SCALE * (vertices - origin)
    units = {name: SCALE * offsets for name, offsets in targets.items()}
    for group in (1, 2):
        ball = np.unique(quads[groups == group])
        for name in (name for name in units if name.startswith("eyeLook")):
            units[name][ball] = _turned(vertices[ball], units[name][ball])

    vertices, kept = _cut_neck(vertices, quads, parts)
    quads, parts, groups = quads[kept], parts[kept], groups[kept]
    base_uvs = uvs[quad_uvs[kept]]
    face_uvs = base_uvs[parts == FACE].reshape(-1, 2)
    corner_uvs = _atlas_uvs(base_uvs, charts[kept], parts, vertices[quads])
    used, quads = np.unique(quads, return_inverse=True)
    return HeadModel(
        neutral=(vertices + other)[used] * person.proportions,
        quads=quads.reshape(-1, 4),
        corner_uvs=corner_uvs,
        parts=parts,
        units={name: offsets[used] * person.proportions for name, offsets in units.items()},
        masks={name: _crop(mask, face_uvs.min(axis=0), face_uvs.max(axis=0)) for name, mask in masks.items()},
        complexion=person.complexion,
    )


def _turned(
    ball: NDArray[np.float64],  # [e, 3]
    offsets: NDArray[np.float64],  # [e, 3]
) -> NDArray[np.float64]:  # [e, 3]
    """Return the offsets of an eyeball that rotates about its center as far as `offsets` move its iris."""
    away = ball - ball.mean(axis=0)
    front = away[:, 2] > 0.8 * away[:, 2].max()
    turn, _ = Rotation.align_vectors((away + offsets)[front], away[front])
    return turn.apply(away) - away


def _crop(mask: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut a mask over the UV square [H, W] down to the UV box between `low` and `high` [2]."""
    height, width = mask.shape
    columns = slice(int(low[0] * width), int(np.ceil(high[0] * width)))
    rows = slice(int(low[1] * height), int(np.ceil(high[1] * height)))
    return mask[rows, columns]


def refine(head: HeadModel, levels: int = 2) -> FineHead:
    """Subdivide the cage `levels` times into triangles, with the operator that maps the cage of any frame to them."""
    operator = sp.identity(len(head.neutral), format="csr")
    quads, parts = head.quads, head.parts
    uvs: NDArray[np.floating] = head.corner_uvs
    spread = operator
    for _ in range(levels):
        coarse = operator.shape[0]
        step, quads = subdivide(quads, coarse)
        keep = sp.identity(coarse, format="csr")
        spread = sp.vstack([keep, step[coarse:]]).tocsr()
        operator, uvs, parts = step @ operator, subdivide_corners(uvs), np.repeat(parts, 4)
    neutral = np.asarray(operator @ head.neutral)
    loops = boundary_loops(quads[np.isin(parts, (FACE, NECK))])
    rim = max(loops, key=len)
    lids = [loop for loop in loops if loop is not rim and abs(neutral[loop, 0].mean()) > 10.0]
    base, base_uvs, close = _base(rim, neutral)
    operator, spread = sp.csr_matrix(close @ operator), sp.csr_matrix(close @ spread)
    halves = ([0, 1, 2], [0, 2, 3])
    return FineHead(
        operator=operator,
        triangles=np.concatenate([*(quads[:, half] for half in halves), base]).astype(np.int32),
        triangle_uvs=np.concatenate([*(uvs[:, half] for half in halves), base_uvs]).astype(np.float32),
        triangle_parts=np.concatenate([parts, parts, np.full(len(base), BASE)]),
        spread=spread,
        lids=tuple(sorted(lids, key=lambda loop: float(neutral[loop, 0].mean()))),
    )


def boundary_loops(quads: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the boundary loops of a quad mesh, each a cyclic list of vertices in the direction of its quads."""
    ends = np.concatenate([quads[:, [corner, (corner + 1) % 4]] for corner in range(4)])
    count = int(quads.max()) + 1
    edges, reverse = (np.unique(pairs @ [count, 1]) for pairs in (ends, ends[:, ::-1]))
    following = dict(np.column_stack(np.divmod(np.setdiff1d(edges, reverse, assume_unique=True), count)).tolist())
    loops = []
    while following:
        start = next(iter(following))
        loop, vertex = [], start
        while vertex in following:
            loop.append(vertex)
            vertex = following.pop(vertex)
        loops.append(np.array(loop))
    return loops


def _base(
    rim: NDArray[np.int64],  # [r]
    vertices: NDArray[np.float64],  # [m, 3]
) -> tuple[NDArray[np.int64], NDArray[np.float64], sp.csr_matrix]:
    """Close the neck's rim: triangles [r, 3], their UVs, and the matrix [m + r + 1, m] that appends their vertices.

    The rim's vertices are repeated so that the edge is sharp; the last vertex is the rim's mean.
    """
    count, around = len(vertices), len(rim)
    repeat = sp.csr_matrix((np.ones(around), (np.arange(around), rim)), shape=(around, count))
    center = sp.csr_matrix(np.full((1, around), 1.0 / around)) @ repeat
    own = count + np.arange(around)
    triangles = np.stack([np.roll(own, -1), own, np.full(around, count + around)], axis=1)
    flat = np.concatenate([vertices[rim], vertices[rim].mean(axis=0, keepdims=True)])[:, [0, 2]]
    corner, size = tile("base")
    uvs = corner + size.min() * (flat - flat.min(axis=0)) / np.ptp(flat, axis=0).max()
    return triangles, uvs[triangles - count], sp.csr_matrix(sp.vstack([sp.identity(count), repeat, center]))


def _charts(quad_uvs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Label quads by the connected piece of the UV mesh that they lie in [q]."""
    ends = np.concatenate([quad_uvs[:, [corner, (corner + 1) % 4]] for corner in range(4)])
    count = int(quad_uvs.max()) + 1
    graph = sp.coo_matrix((np.ones(len(ends)), ends.T), shape=(count, count))
    return sp.csgraph.connected_components(graph, directed=False)[1][quad_uvs[:, 0]].astype(np.int64)


def _body_parts(
    vertices: NDArray[np.float64], quads: NDArray[np.int64], charts: NDArray[np.int64], parts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Label the body's charts: face has the crown, mouth the middle, sockets the eyes; the rest is neck."""
    labels = np.full(len(quads), NECK)
    centers = vertices[quads].mean(axis=1)
    body = parts == FACE
    crown = charts[body][np.argmax(centers[body][:, 1])]
    labels[charts == crown] = FACE
    eye_box = vertices[np.unique(quads[parts == EYES])]
    tongue_box = vertices[np.unique(quads[parts == TONGUE])]
    for chart in np.setdiff1d(charts[body], crown):
        own = centers[charts == chart]
        middle = own.mean(axis=0)
        if eye_box[:, 1].min() < middle[1] < eye_box[:, 1].max() and middle[2] > eye_box[:, 2].min():
            labels[charts == chart] = SOCKETS
        elif np.abs(own[:, 0]).max() < 60.0 and own[:, 1].max() > tongue_box[:, 1].max():
            labels[charts == chart] = MOUTH
    return labels


def _origin(
    vertices: NDArray[np.float64], quads: NDArray[np.int64], groups: NDArray[np.int64], parts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the origin of head space: midway between the ears in depth, 20 mm below the eyes."""
    face = vertices[np.unique(quads[parts == FACE])]
    ear_depth = face[np.abs(face[:, 0]) > 0.97 * np.abs(face[:, 0]).max(), 2].mean()
    eyes = [vertices[np.unique(quads[groups == group])].mean(axis=0) for group in (1, 2)]
    height = np.mean([eye[1] for eye in eyes]) - 20.0
    return np.array([0.0, height, ear_depth])


def _cut_neck(
    vertices: NDArray[np.float64], quads: NDArray[np.int64], parts: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Cut the neck: return vertices with the rim moved onto the cut, and the indices of the kept quads."""
    end = CUT_HEIGHT_MM + CUT_SLOPE * vertices[:, 2] + CUT_BEND * vertices[:, 0] ** 2
    height = vertices[:, 1] - end
    above = height > 3.0
    kept = np.flatnonzero(above[quads].any(axis=1) | ~np.isin(parts, (FACE, NECK)))
    ends = np.concatenate([quads[kept][:, [corner, (corner + 1) % 4]] for corner in range(4)])
    ends = np.concatenate([ends, ends[:, ::-1]])
    ends = ends[~above[ends[:, 0]] & above[ends[:, 1]]]
    low, high = ends.T
    share = height[high] / (height[high] - height[low])
    landing = vertices[high] + share[:, None] * (vertices[low] - vertices[high])
    moved = vertices.copy()
    counts = np.bincount(low, minlength=len(vertices))
    for axis in range(3):
        sums = np.bincount(low, landing[:, axis], len(vertices))
        moved[counts > 0, axis] = sums[counts > 0] / counts[counts > 0]
    orphans = np.setdiff1d(np.unique(quads[kept][np.isin(parts[kept], (FACE, NECK))]), np.flatnonzero(above))
    orphans = orphans[counts[orphans] == 0]
    moved[orphans, 1] = end[orphans]
    rims = boundary_loops(quads[kept][np.isin(parts[kept], (FACE, NECK))])
    rim = max(rims, key=len)
    for _ in range(RIM_SMOOTHING_STEPS):
        moved[rim] = 0.5 * moved[rim] + 0.25 * (moved[np.roll(rim, 1)] + moved[np.roll(rim, -1)])
    return moved, kept


def _atlas_uvs(
    corner_uvs: NDArray[np.float64],  # [q, 4, 2]
    charts: NDArray[np.int64],
    parts: NDArray[np.int64],
    corners: NDArray[np.float64],  # [q, 4, 3]
) -> NDArray[np.float64]:
    """Move the charts of the base mesh to their tiles of the atlas [q, 4, 2]."""
    placed = corner_uvs.copy()
    names = {FACE: "face", NECK: "neck", MOUTH: "mouth", TONGUE: "tongue", TEETH: "teeth"}
    masks = [(name, parts == part) for part, name in names.items()]
    for chart in np.unique(charts[parts == SOCKETS]):
        own = charts == chart
        masks.append(("socket_left" if corners[own][..., 0].mean() > 0 else "socket_right", own))
    for name, own in masks:
        lowest, highest = corner_uvs[own].min(axis=(0, 1)), corner_uvs[own].max(axis=(0, 1))
        corner, size = tile(name)
        scale = (size / (highest - lowest)).min()
        placed[own] = corner + scale * (corner_uvs[own] - lowest)
    for side, name in ((-1.0, "eye_right"), (1.0, "eye_left")):
        own = (parts == EYES) & (side * corners[..., 0].mean(axis=1) > 0.0)
        placed[own] = _eye_uvs(corners[own], *tile(name))
    return placed


def _eye_uvs(
    corners: NDArray[np.float64],  # [e, 4, 3]
    corner: NDArray[np.float64],
    size: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Unroll an eyeball around its front pole: the radius in the tile is the angle, up to `EYE_MAP_ANGLE`."""
    away = corners - corners.reshape(-1, 3).mean(axis=0)
    across = np.linalg.norm(away[..., :2], axis=-1)
    angle = np.arctan2(across, away[..., 2])
    radius = angle / EYE_MAP_ANGLE / np.maximum(across, 1e-9)
    placed = corner + 0.5 * size * (1.0 + radius[..., None] * away[..., :2])
    placed[angle.max(axis=1) > EYE_MAP_ANGLE] = corner
    return placed
