"""Strands as ribbons, which hair and lashes are made of, outside the surface of the head."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatrig.capture.demo.head import tile


@dataclass(frozen=True)
class Strands:
    """Strands of j nodes each, in head space, millimeters."""

    points: NDArray[np.float32]  # [s, j, 3]
    """Nodes of each strand from the root to the tip."""
    sides: NDArray[np.float32]  # [s, j, 3]
    """Vectors from the middle of the ribbon to its edge."""
    shades: NDArray[np.float32]  # [s]
    """Position of a strand's color in the atlas: 0 to 1."""
    lit_by: NDArray[np.int64]  # [s]
    """The strand whose light this one takes, so that a lock casts the shadow rays of one strand."""

    @property
    def vertices(self) -> NDArray[np.float32]:  # [2 s j, 3]
        """Both edges of the ribbons, node by node: left, right."""
        return np.stack([self.points - self.sides, self.points + self.sides], axis=2).reshape(-1, 3)

    @property
    def normals(self) -> NDArray[np.float32]:  # [2 s j, 3]
        """Unit normals that rotate from edge to edge, as if the ribbon were half a cylinder."""
        along = unit(np.gradient(self.points, axis=1))
        across = unit(self.sides)
        front = np.cross(across, along)
        return unit(np.stack([front - across, front + across], axis=2)).reshape(-1, 3).astype(np.float32)

    @property
    def triangles(self) -> NDArray[np.int32]:  # [2 s (j - 1), 3]
        """Triangles of the ribbons, indices into `vertices`."""
        count, nodes = self.points.shape[:2]
        left = 2 * (nodes * np.arange(count)[:, None] + np.arange(nodes - 1))
        quads = np.stack([left, left + 1, left + 3, left + 2], axis=-1).reshape(-1, 4)
        return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)

    @property
    def triangle_uvs(self) -> NDArray[np.float32]:  # [2 s (j - 1), 3, 2]
        """Texture coordinates of the triangles: the root on the left of the tile, the tip on its right."""
        corner, size = tile("hair")
        nodes = self.points.shape[1]
        along = np.broadcast_to(np.linspace(0.02, 0.98, nodes), self.points.shape[:2])
        shade = np.broadcast_to(0.02 + 0.96 * self.shades[:, None], along.shape)
        uvs = corner + size * np.repeat(np.stack([along, shade], axis=-1).reshape(-1, 2), 2, axis=0)
        return uvs[self.triangles].astype(np.float32)


def ribbons(
    points: NDArray[np.float64],  # [s, j, 3]
    width_mm: float,
    roll: NDArray[np.float64],  # [s] radians about the strand
    shades: NDArray[np.float64],  # [s]
    lit_by: NDArray[np.int64],  # [s]
) -> Strands:
    """Return ribbons along the paths, `width_mm` wide at the root and ending in a point."""
    along = unit(np.gradient(points, axis=1))
    side = unit(np.cross(along, np.array([0.31, 0.17, 0.93])))
    other = np.cross(along, side)
    turned = np.cos(roll)[:, None, None] * side + np.sin(roll)[:, None, None] * other
    taper = np.sqrt(np.linspace(1.0, 0.0, points.shape[1]))[:, None]
    sides = 0.5 * width_mm * taper * turned
    # the tip keeps a direction for its normal
    sides[:, -1] = 1e-3 * turned[:, -1]
    return Strands(points.astype(np.float32), sides.astype(np.float32), shades.astype(np.float32), lit_by)


def unit(vectors: NDArray[np.floating]) -> NDArray[np.floating]:  # [..., 3] -> [..., 3]
    """Return the vectors with length 1; zero stays zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
