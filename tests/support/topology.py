"""What is known of the topology of closed and open meshes, counted."""

import numpy as np
from numpy.typing import NDArray

from splatrig.mesh.topology import unique_edges


def boundary_edges(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the edges [B, 2] that belong to a single face."""
    edges = unique_edges(faces)
    return edges.ends[edges.face_count == 1]


def euler_characteristic(faces: NDArray[np.int64]) -> int:
    """Return V - E + T, counting the vertices that some face references."""
    return len(np.unique(faces)) - len(unique_edges(faces).ends) + len(faces)
