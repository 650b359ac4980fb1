"""Drag a point of the head, and the weights follow (Lewis and Anjyo, Direct Manipulation Blendshapes, 2010).

With x the change of the weights since the drag began, in units of what is usual for each component, and R the rows of
the basis at the pinned points, the solve minimises

    ‖R x - t‖² + Σ_k p_k x_k²     low ≤ w + s x ≤ high

over the components of all families at once. t is how far each pin has to go: the dragged point to the pointer, other
pins back to where they were set. p is the ridge, and for local components grows with the geodesic distance from the
dragged point to where the component is centred, so that what is near moves first. Free components have generous bounds
around the data; local ones have their model's, non-negative ones included.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from splatrig.components.component_file import blend
from splatrig.components.weights import limits_of, positions, solve_weights
from splatrig.control.head import Head, Pose
from splatrig.control.panel import Panel
from splatrig.io.errors import InputError
from splatrig.mesh.geodesic import GeodesicSolver


@dataclass(frozen=True)
class DragOptions:
    """How willing components are to move when a point is dragged."""

    ridge: float = 3e-5
    """Penalty of one usual weight, relative to the squared millimetres that all usual weights together move a pin.
    Chosen on drags of the demo's rigs: at three times this, the worst point stopped 8 % of its way short."""
    locality_mm: float = 40.0
    """Distance at which the penalty of a local component is four times that of one centred at the point: about
    what one feature of a face spans, the mouth or an eye with its brow."""
    reach: float = 1.5
    """Weights without limits stay within their slider's range times this: beyond it nothing is known of the face."""
    global_cost: float = 1.0
    """Penalty of components of weights without limits, relative to local ones that are centred at the point: neither
    kind goes first."""


DRAG = DragOptions()
"""What the viewer and the web head use."""


@dataclass(frozen=True)
class _Part:
    """What is known of a family before any point is clicked."""

    basis: NDArray[np.float32]  # [K, N, 3] millimetres per unit of weight
    usual: NDArray[np.float64]  # [K] s: root mean square of the fitted weights
    low: NDArray[np.float64]  # [K]
    high: NDArray[np.float64]  # [K]
    distances: NDArray[np.float32] | None  # [K, N] mm from each component's centre; None for free weights


def usual_weights(panel: Panel) -> NDArray[np.float64]:  # [K]
    """Return the root mean square of each component's fitted weights; of one that no frame uses, the others' mean."""
    usual = np.sqrt(np.diag(panel.covariance) + panel.mean**2)
    return np.where(usual > 0, usual, np.where(usual.any(), usual.mean(), 1.0))


class DragSolver:
    """Families of a head, made ready for dragging; a drag then touches only the rows of its pins."""

    def __init__(self, head: Head, options: DragOptions = DRAG) -> None:
        """Find centres and geodesic distances of local components (on the tracked mesh, carried to the Gaussians)."""
        self.head = head
        self.options = options
        base = head.template.base
        geodesics = GeodesicSolver(base.vertices, base.faces)
        up = head.template.up
        self._parts = {name: self._part(name, geodesics, up, len(base.vertices)) for name in head.families}
        one = np.ones(1)
        solve_weights(np.eye(1), np.zeros((1, 1)), penalty=one, limits=(-one, one))  # no drag waits for the compiler

    def _part(self, name: str, geodesics: GeodesicSolver, up: csr_array, base_count: int) -> _Part:
        family = self.head.families[name]
        components, panel = family.rig.components, family.panel
        basis, usual = positions(components), usual_weights(panel)
        if components.limits is None:
            reach = self.options.reach
            return _Part(basis, usual, panel.low * reach, panel.high * reach, None)
        centers = np.square(basis[:, :base_count]).sum(axis=2).argmax(axis=1)
        near = geodesics.distances(centers).astype(np.float64)
        largest = near[np.isfinite(near)].max(initial=0.0)
        carried = np.stack([up @ row for row in np.where(np.isfinite(near), near, 10 * largest)])
        return _Part(basis, usual, *limits_of(components), carried.astype(np.float32))

    def point(self, vertex: int, pose: Pose) -> NDArray[np.float64]:  # [3]
        """Return where a Gaussian's centre is in a pose, millimetres in head space."""
        place = self.head.rig.base.means[vertex].astype(np.float64)
        for name, weights in pose.items():
            place = blend(place, np.asarray(weights, dtype=np.float64), self._parts[name].basis[:, vertex])
        return place

    def start(
        self, pose: Pose, dragged: int, pins: Mapping[int, NDArray] | None = None, families: tuple[str, ...] = ()
    ) -> "Drag":
        """Begin to drag the Gaussian `dragged` from a pose.

        `pins` are other Gaussians with the places [3] where they shall stay; `families` are those that may move
        (default: all). Raises InputError for a Gaussian or a family that does not exist.
        """
        names = families or tuple(self._parts)
        count = next(iter(self._parts.values())).basis.shape[1]
        unknown = [name for name in names if name not in self._parts]
        if unknown:
            raise InputError(f"dragging: no family {unknown[0]}; this head has {', '.join(self._parts)}.")
        for vertex in (dragged, *(pins or {})):
            if not 0 <= vertex < count:
                raise InputError(f"dragging: Gaussian {vertex} does not exist; there are {count}.")
        return Drag(
            self, {name: np.asarray(w, np.float64) for name, w in pose.items()}, dragged, dict(pins or {}), names
        )


class Drag:
    """One drag: from the click on a point until it is let go."""

    def __init__(
        self,
        solver: DragSolver,
        pose: dict[str, NDArray[np.float64]],
        dragged: int,
        pins: dict[int, NDArray],
        families: tuple[str, ...],
    ) -> None:
        """Gather the rows of the pins; see `DragSolver.start`."""
        pins.pop(dragged, None)
        vertices = [dragged, *pins]
        parts = [solver._parts[name] for name in families]
        self._pose = pose
        ends = np.cumsum([0, *(len(part.basis) for part in parts)])
        self._columns = {name: slice(*ends[i : i + 2]) for i, name in enumerate(families)}
        weights = [pose.get(name, np.zeros(len(part.basis))) for name, part in zip(families, parts, strict=True)]
        self._weights = np.concatenate(weights)
        self._usual = np.concatenate([part.usual for part in parts])
        rows = np.concatenate([part.basis[:, vertices].reshape(len(part.basis), -1) for part in parts]).T
        self._R = rows.astype(np.float64) * self._usual  # [3·pins, K]
        self._gram = self._R.T @ self._R
        low, high = (np.concatenate([getattr(part, end) for part in parts]) for end in ("low", "high"))
        self._low = (np.minimum(low, self._weights) - self._weights) / self._usual
        self._high = (np.maximum(high, self._weights) - self._weights) / self._usual
        options = solver.options
        costs = [
            np.full(len(part.basis), options.global_cost)
            if part.distances is None
            else (1.0 + (part.distances[:, dragged].astype(np.float64) / options.locality_mm) ** 2) ** 2
            for part in parts
        ]
        scale = max(float(np.square(self._R[:3]).sum()), 1e-12)
        self._penalty = options.ridge * scale * np.concatenate(costs)
        self._from = np.concatenate([solver.point(vertex, pose) for vertex in vertices])
        self._kept = [np.asarray(place, dtype=np.float64) for place in pins.values()]

    def to(self, target: NDArray) -> dict[str, NDArray[np.float64]]:
        """Return the pose in which the dragged point comes nearest to `target` [3], millimetres in head space."""
        places = np.concatenate([np.asarray(target, dtype=np.float64), *self._kept])
        moments = (places - self._from) @ self._R
        (x,) = solve_weights(self._gram, moments[None], penalty=self._penalty, limits=(self._low, self._high))
        weights = self._weights + self._usual * x
        return self._pose | {name: weights[columns] for name, columns in self._columns.items()}
