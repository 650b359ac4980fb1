"""The tracked mesh: a coarse closed surface over the head that follows the full-resolution head in every frame.

The face and neck of the cage are closed over eyes, mouth and neck, and decimated; every remaining vertex is a vertex
of the cage (or a fixed mean of some), so that its position in any frame is read off the subdivided surface.
"""

from dataclasses import dataclass

import fast_simplification
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from splatrig.capture.demo.head import EYES, TEETH, HeadModel, boundary_loops, tile

POCKET_DEPTH_MM = 7.0
"""Depth of the surface between the lips behind them."""
MAGNIFIED_MM = {"eye": 17.0, "mouth": 24.0, "nose": 20.0}
"""Radius in which the decimation sees the surface magnified, so that lids and lips keep their vertices."""
MAGNIFICATION = 1.0
SMOOTHING_STEPS = 12
SEAM_REACH = 2.0
"""A face wider in UV than this many times what its size in space suggests would span a seam."""
FRAME_CORRELATION = 0.6
"""Correlation of tracking noise between consecutive frames."""


@dataclass(frozen=True)
class TrackedMesh:
    """Topology of the tracked mesh and the affine map from the subdivided head to it."""

    carrier: sp.csr_matrix  # [v, n]
    """Matrix from the first n vertices of the subdivided head, which are the cage's, to those of the tracked mesh."""
    offsets: NDArray[np.float64]  # [v, 3]
    """Millimeters that are added to what the carrier gives."""
    faces: NDArray[np.int64]  # [f, 3]
    uvs: NDArray[np.float64]  # [m, 2]
    """Texture coordinates in the atlas."""
    face_uvs: NDArray[np.int64]  # [f, 3]

    def positions(self, fine: NDArray[np.float64]) -> NDArray[np.float64]:  # [m, 3] -> [v, 3]
        """Return the vertices for a frame's subdivided head, without noise."""
        return self.carrier @ fine[: self.carrier.shape[1]] + self.offsets


@dataclass(frozen=True)
class _Shell:
    """The closed surface before decimation."""

    carrier: sp.csr_matrix  # [p, n]
    offsets: NDArray[np.float64]  # [p, 3]
    triangles: NDArray[np.int64]  # [t, 3]
    triangle_uvs: NDArray[np.float64]  # [t, 3, 2]
    triangle_charts: NDArray[np.int64]  # [t]


def build_tracked_mesh(
    head: HeadModel,
    surface: NDArray[np.float64],  # [n, 3]
    vertex_count: int,
) -> TrackedMesh:
    """Build the tracked mesh with about `vertex_count` vertices in faces, and unreferenced vertices of eyes and teeth.

    A head that has fewer keeps all of them.
    `surface` are the cage's vertices on the subdivided neutral, millimeters in head space.
    """
    shell = _closed_shell(head, surface)
    points = shell.carrier @ surface + shell.offsets
    kept, faces = _decimate(points, shell.triangles, _detail_centers(head), 2 * vertex_count - 4)
    face_uvs = _face_uvs(points, kept[faces], shell)

    inside = np.unique(head.quads[np.isin(head.parts, (EYES, TEETH))])
    first = len(kept) // 3
    carrier = sp.vstack([shell.carrier[kept[:first]], shell.carrier[inside], shell.carrier[kept[first:]]]).tocsr()
    offsets = np.concatenate([shell.offsets[kept[:first]], np.zeros((len(inside), 3)), shell.offsets[kept[first:]]])
    uvs, indices = np.unique(face_uvs.reshape(-1, 2).round(6), axis=0, return_inverse=True)
    return TrackedMesh(
        carrier=carrier,
        offsets=offsets,
        faces=np.where(faces < first, faces, faces + len(inside)),
        uvs=uvs,
        face_uvs=indices.reshape(-1, 3),
    )


def tracking_noise(
    mesh: TrackedMesh,
    frame_count: int,
    noise_mm: float,
    generator: np.random.Generator,
) -> NDArray[np.float64]:  # [frame_count, v, 3]
    """Return tracking errors of standard deviation `noise_mm`: smooth along the surface, correlated in time."""
    count = len(mesh.offsets)
    ends = np.concatenate([mesh.faces[:, [corner, (corner + 1) % 3]] for corner in range(3)])
    ends = np.concatenate([ends, ends[:, ::-1]])
    adjacency = sp.csr_matrix((np.ones(len(ends)), ends.T), shape=(count, count)) + sp.identity(count)
    average = sp.diags(1.0 / np.asarray(adjacency.sum(axis=1)).ravel()) @ adjacency
    surface = np.zeros((count, 1), dtype=bool)
    surface[np.unique(mesh.faces)] = True
    errors = np.zeros((frame_count, count, 3))
    for frame in range(frame_count):
        rough, smooth = generator.standard_normal((2, count, 3))
        for _ in range(SMOOTHING_STEPS):
            smooth = average @ smooth
        fresh = np.where(surface, 0.95 * smooth / smooth.std(axis=0, where=surface) + 0.31 * rough, rough)
        share = FRAME_CORRELATION if frame else 0.0
        errors[frame] = share * errors[frame - 1] + np.sqrt(1.0 - share**2) * fresh
    return noise_mm * errors


def _closed_shell(head: HeadModel, surface: NDArray[np.float64]) -> _Shell:
    quads = head.quads[head.outer]
    builder = _Filler(surface)
    halves = ([0, 1, 2], [0, 2, 3])
    triangles = [quads[:, half] for half in halves]
    uvs = [head.corner_uvs[head.outer][:, half] for half in halves]
    charts = [head.parts[head.outer]] * 2
    eyes = head.neutral[np.unique(head.quads[head.parts == EYES])]
    chart = 10
    for loop in boundary_loops(quads):
        middle = surface[loop].mean(axis=0)
        if len(loop) == max(len(other) for other in boundary_loops(quads)):
            filled = builder.fan(loop, np.zeros(3), "base", (0, 2), 0.0)
        elif abs(middle[0]) > 10.0:
            eye = eyes[np.sign(eyes[:, 0]) == np.sign(middle[0])]
            filled = builder.eye(loop, eye, 0.0 if middle[0] < 0 else 0.5)
        else:
            filled = builder.pocket(loop)
        triangles.append(filled[0])
        uvs.append(filled[1])
        charts.append(np.full(len(filled[0]), chart))
        chart += 1
    return _Shell(
        *builder.points(),
        triangles=np.concatenate(triangles),
        triangle_uvs=np.concatenate(uvs),
        triangle_charts=np.concatenate(charts),
    )


class _Filler:
    """Close boundary loops with points that are means of loop vertices plus a constant."""

    def __init__(self, surface: NDArray[np.float64]) -> None:
        self.surface = surface
        self.rows: list[NDArray[np.float64]] = []
        self.offsets: list[NDArray[np.float64]] = []

    def points(self) -> tuple[sp.csr_matrix, NDArray[np.float64]]:
        """Return carrier and offsets of the surface's own vertices and then of the added points."""
        count = len(self.surface)
        carrier = sp.csr_matrix(sp.vstack([sp.identity(count), sp.csr_matrix(np.array(self.rows))]))
        return carrier, np.concatenate([np.zeros((count, 3)), np.array(self.offsets)])

    def _add(self, members: NDArray[np.int64], shares: NDArray[np.float64], offset: NDArray[np.float64]) -> int:
        row = np.zeros(len(self.surface))
        np.add.at(row, members, shares)
        self.rows.append(row)
        self.offsets.append(np.asarray(offset, dtype=float))
        return len(self.surface) + len(self.rows) - 1

    def _planar(
        self, triangles: NDArray[np.int64], name: str, axes: tuple[int, int], left: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        carrier, offsets = self.points()
        flat = (carrier @ self.surface + offsets)[triangles][..., list(axes)]
        corner, size = tile(name)
        width = size * (np.array([0.48, 1.0]) if name == "lids" else 1.0)
        lowest, extent = flat.min(axis=(0, 1)), np.ptp(flat, axis=(0, 1)).max()
        return triangles, corner + [left * size[0], 0.0] + width.min() * (flat - lowest) / extent

    def fan(
        self, loop: NDArray[np.int64], offset: NDArray[np.float64], name: str, axes: tuple[int, int], left: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Close a loop with triangles to its mean."""
        center = self._add(loop, np.full(len(loop), 1.0 / len(loop)), offset)
        triangles = np.stack([np.roll(loop, -1), loop, np.full(len(loop), center)], axis=1)
        return self._planar(triangles, name, axes, left)

    def eye(
        self, loop: NDArray[np.int64], eye: NDArray[np.float64], left: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Close a lid opening with a ring and a center that lie on the front of the eyeball [_, 3]."""
        ball = eye.mean(axis=0)
        radius = eye[:, 2].max() - ball[2]

        def onto_ball(point: NDArray[np.float64]) -> NDArray[np.float64]:
            return ball + radius * (point - ball) / np.linalg.norm(point - ball) - point

        middle, share = self.surface[loop].mean(axis=0), 1.0 / len(loop)
        shares = np.full(len(loop) + 1, 0.5 * share)
        shares[-1] = 0.5
        ring = []
        for vertex in loop:
            point = 0.5 * (middle + self.surface[vertex])
            ring.append(self._add(np.append(loop, vertex), shares, onto_ball(point)))
        center = self._add(loop, np.full(len(loop), share), onto_ball(middle))
        outer, inner = np.array(loop), np.array(ring)
        ahead, inner_ahead = np.roll(outer, -1), np.roll(inner, -1)
        triangles = np.concatenate(
            [
                np.stack([ahead, outer, inner], axis=1),
                np.stack([ahead, inner, inner_ahead], axis=1),
                np.stack([inner_ahead, inner, np.full(len(loop), center)], axis=1),
            ]
        )
        return self._planar(triangles, "lids", (0, 1), left)

    def pocket(self, loop: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Close the lips with a fold that lies behind them when they are shut and spans them when they open."""
        start = int(np.argmin(self.surface[loop, 0]))
        loop = np.roll(loop, -start)
        turn = int(np.argmax(self.surface[loop, 0]))
        one, other = loop[: turn + 1], np.append(loop[turn:], loop[0])[::-1]
        steps = np.linspace(0.0, 1.0, max(len(one), len(other)))
        one = one[np.rint(steps * (len(one) - 1)).astype(int)]
        other = other[np.rint(steps * (len(other) - 1)).astype(int)]
        half = np.array([0.5, 0.5])
        middle = np.array(
            [
                one[0],
                *(
                    self._add(
                        np.array(pair), half, np.array([0.0, 0.0, -POCKET_DEPTH_MM * np.sin(np.pi * step) ** 0.5])
                    )
                    for *pair, step in zip(one[1:-1], other[1:-1], steps[1:-1], strict=True)
                ),
                one[-1],
            ]
        )
        triangles = np.concatenate(
            [
                np.stack([one[1:], one[:-1], middle[:-1]], axis=1),
                np.stack([one[1:], middle[:-1], middle[1:]], axis=1),
                np.stack([other[:-1], other[1:], middle[1:]], axis=1),
                np.stack([other[:-1], middle[1:], middle[:-1]], axis=1),
            ]
        )
        a, b, c = triangles.T
        triangles = triangles[(a != b) & (b != c) & (c != a)]
        placed, uvs = self._planar(triangles, "lips", (0, 1), 0.0)
        height = {**dict.fromkeys(one.tolist(), 1.0), **dict.fromkeys(other.tolist(), 0.0)}
        height |= dict.fromkeys(middle.tolist(), 0.5)
        corner, size = tile("lips")
        uvs[..., 1] = corner[1] + size[1] * np.vectorize(height.__getitem__)(placed)
        return placed, uvs


def _detail_centers(head: HeadModel) -> list[tuple[NDArray[np.float64], float]]:
    eyes = head.neutral[np.unique(head.quads[head.parts == EYES])]
    face = head.neutral[np.unique(head.quads[head.outer])]
    mouth = next(
        head.neutral[loop].mean(axis=0)
        for loop in boundary_loops(head.quads[head.outer])
        if abs(head.neutral[loop, 0].mean()) < 10.0 and head.neutral[loop, 2].mean() > 90.0
    )
    fronts = [
        own[own[:, 2] > np.median(own[:, 2])].mean(axis=0) for own in (eyes[eyes[:, 0] < 0], eyes[eyes[:, 0] > 0])
    ]
    return [
        *((front, MAGNIFIED_MM["eye"]) for front in fronts),
        (mouth, MAGNIFIED_MM["mouth"]),
        (face[np.argmax(face[:, 2])], MAGNIFIED_MM["nose"]),
    ]


def _decimate(
    points: NDArray[np.float64],  # [p, 3]
    triangles: NDArray[np.int64],  # [t, 3]
    centers: list[tuple[NDArray[np.float64], float]],
    face_count: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of the kept points [v] and the faces among them [f, 3]."""
    used, compact = np.unique(triangles, return_inverse=True)
    if face_count >= len(triangles):
        return used, compact.reshape(-1, 3)
    own = points[used]
    magnified = own.copy()
    for center, radius in centers:
        away = own - center
        magnified += MAGNIFICATION * away * np.exp(-(away**2).sum(axis=1, keepdims=True) / (2.0 * radius**2))
    compact = compact.reshape(-1, 3).astype(np.int32)
    _, _, collapses = fast_simplification.simplify(
        magnified.astype(np.float32), compact, target_count=face_count, agg=7.0, return_collapses=True
    )
    moved, faces, owner = fast_simplification.replay_simplification(magnified.astype(np.float32), compact, collapses)
    distance = np.linalg.norm(moved[owner] - magnified, axis=1)
    order = np.lexsort((distance, owner))
    _, nearest = np.unique(owner[order], return_index=True)
    chosen = order[nearest]
    in_faces, faces = np.unique(faces, return_inverse=True)
    return used[chosen[in_faces]], faces.reshape(-1, 3)


def _face_uvs(points: NDArray[np.float64], faces: NDArray[np.int64], shell: _Shell) -> NDArray[np.float64]:
    """Give every corner of the decimated faces [f, 3] a UV in one chart per face [f, 3, 2].

    A corner that has no UV in its face's chart, or only one across a seam, takes that of the nearest point that has.
    """
    entries = np.column_stack(
        [shell.triangles.ravel(), np.repeat(shell.triangle_charts, 3), shell.triangle_uvs.reshape(-1, 2).round(6)]
    )
    entries = np.unique(entries, axis=0)
    options: dict[int, dict[int, list[NDArray[np.float64]]]] = {}
    for point, chart, *uv in entries:
        options.setdefault(int(point), {}).setdefault(int(chart), []).append(np.array(uv))
    by_chart = {chart: entries[entries[:, 1] == chart] for chart in np.unique(shell.triangle_charts).tolist()}
    scales = _chart_scales(points, shell)
    result = np.zeros((len(faces), 3, 2))
    for row, face in enumerate(faces):
        charts = [chart for point in face for chart in options[int(point)]]
        chart = max(sorted(set(charts)), key=charts.count)
        own = [options[int(point)].get(chart, []) for point in face]
        edges = points[face] - np.roll(points[face], 1, axis=0)
        reach = SEAM_REACH * scales[chart] * np.linalg.norm(edges, axis=1).max()
        layouts = [_around(anchor, own, reach, by_chart[chart], points, face) for uvs in own for anchor in uvs]
        result[row] = min(layouts, key=lambda uvs: float(np.linalg.norm(uvs - np.roll(uvs, 1, axis=0), axis=1).sum()))
    return result


def _around(
    anchor: NDArray[np.float64],  # [2]
    own: list[list[NDArray[np.float64]]],
    reach: float,
    known: NDArray[np.float64],  # [e, 4]
    points: NDArray[np.float64],  # [p, 3]
    face: NDArray[np.int64],  # [3]
) -> NDArray[np.float64]:  # [3, 2]
    """Return UVs of a face's corners within `reach` of `anchor`: their own if near, else a near point's."""
    uvs = []
    for point, candidates in zip(face, own, strict=True):
        away = [float(np.linalg.norm(uv - anchor)) for uv in candidates]
        if away and min(away) <= reach:
            uvs.append(candidates[int(np.argmin(away))])
        else:
            local = known[np.linalg.norm(known[:, 2:] - anchor, axis=1) <= reach]
            gaps = np.linalg.norm(points[local[:, 0].astype(int)] - points[point], axis=1)
            uvs.append(local[np.argmin(gaps), 2:])
    return np.array(uvs)


def _chart_scales(points: NDArray[np.float64], shell: _Shell) -> dict[int, float]:
    """Return the median size in UV of a millimeter, by chart."""
    sides = np.linalg.norm(np.diff(points[shell.triangles][:, :2], axis=1)[:, 0], axis=1)
    uv_sides = np.linalg.norm(np.diff(shell.triangle_uvs[:, :2], axis=1)[:, 0], axis=1)
    ratios = uv_sides / np.maximum(sides, 1e-9)
    charts = shell.triangle_charts
    return {chart: float(np.median(ratios[charts == chart])) for chart in np.unique(charts).tolist()}
