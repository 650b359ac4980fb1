"""Sparse localized deformation components (Neumann et al. 2013, "Sparse Localized Deformation Components").

Minimize over weights W [F, K] and components C [K, N, d]

    ‖X - W C‖² + Σ_k Σ_i λ s(d_ki) ‖c_ki‖₂,    w_k in [0, 1] with maximum 1 (or in [-1, 1])

where d_ki is the geodesic distance of Gaussian i to the center of component k and s a support map in [0, 1]. The two
blocks alternate: W by coordinate descent through C Cᵀ and X Cᵀ (never the residual), C by ADMM. After every update
of C, the center of a component is the Gaussian that it moves most. Beyond the paper, W is extrapolated along its last
change before C is updated (inertial block coordinate descent, Xu and Yin 2013), which takes a third of the iterations.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from splatrig.components.centers import CenterPriors, Centers, Places
from splatrig.components.matrix import equal_frames
from splatrig.components.sldc_cpu import AdmmOptions, CpuEngine
from splatrig.config.choices import Distance, SldcWeights

if TYPE_CHECKING:  # torch costs seconds
    from splatrig.components.sldc_torch import TorchEngine

logger = logging.getLogger(__name__)

DEAD = 1e-8
"""A component whose squared length is below this moves nothing (rows are standardized)."""

WINDOW = 3
"""Number of iterations over which convergence is judged: with momentum, a single one may stall at a turning point."""

MOMENTUM_GROWTH, MOMENTUM_LIMIT = 1.02, 0.95
"""Growth of the extrapolation per iteration, and its upper limit."""

MAX_RESEEDS = 2
"""Maximum number of restarts per component."""

Locate = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Function that returns the support maps [K, N] around the Gaussians [K]."""

Engine: TypeAlias = "CpuEngine | TorchEngine"
"""Numerical back end of SLDC: holds the rows X [F, N, d] and the components C [K, N, d], on the CPU or on a GPU."""


@dataclass(frozen=True)
class SolverOptions:
    """Parameters of the SLDC solver; where they differ, the published algorithm's values are given."""

    max_iterations: int = 200
    """Maximum number of alternations of weights and components: about twice what a full-size head needs from
    scratch."""
    tolerance: float = 1e-4
    """Stop when the relative change of the objective per iteration is below this, over `WINDOW` iterations."""
    sweeps: int = 3
    """Passes over the columns of W per weight update; the paper uses 1."""
    momentum: float = 0.7
    """Initial extrapolation of W, which grows while the objective falls; 0 (the paper) disables it."""
    slack: float = 0.02
    """A center moves only if its support map at the new vertex is above this; moves to closer vertices would change
    nothing but the map. The paper uses 0."""
    reseed: bool = True
    """Restart components that have become zero from the residual."""
    admm: AdmmOptions = field(default_factory=AdmmOptions)


@dataclass(frozen=True)
class SldcOptions:
    """Problem that SLDC solves: number, sparsity and supports of the components."""

    k: int
    """Number of components."""
    lambda_: float = 1.0
    """Weight λ of the penalty; the same value gives the same sparsity for every support map."""
    distance: Distance = "relative"
    """Unit of a support map's parameters: the largest distance on the mesh, or millimeters."""
    weights: SldcWeights = "nonnegative"
    """Range of the weights: [0, 1] with maximum 1 or, with `signed`, [-1, 1] with largest magnitude 1."""
    centers: Sequence[int] = ()
    """Vertices around which the first components stay; the others find their own."""
    symmetric: bool = False
    """Whether components off the midline of the face come in left/right pairs."""
    solver: SolverOptions = field(default_factory=SolverOptions)
    """Parameters of the solver."""

    @property
    def signed(self) -> bool:
        """Whether weights may be negative."""
        return self.weights == "signed"


@dataclass(frozen=True)
class LocalComponents:
    """Result of `sparse_localized_components`, in decreasing order of motion."""

    W: NDArray[np.float32]  # [F, K]
    C: NDArray[np.float32]  # [K, N, d]
    places: Places
    """Centers of the supports."""
    objective: NDArray[np.float64]  # [iterations] after every iteration
    converged: bool
    reseeded: int
    """Number of restarts of components that had become zero."""


@dataclass(frozen=True)
class Start:
    """Initial components from another run, on this run's Gaussians, in place of a start from the residual."""

    W: NDArray[np.floating]  # [F, K]
    C: NDArray[np.floating]  # [K, N, d]
    places: Places


def sparse_localized_components(
    engine: Engine,
    locate: Locate,
    options: SldcOptions,
    mirror: NDArray[np.int64] | None = None,  # [N]
    start: Start | None = None,
) -> LocalComponents:
    """Run SLDC on the rows that `engine` holds, from `start` or from scratch.

    The options' lengths are measured on the mesh: their unit of distance is that of `locate`, and `mirror` is the
    mirror image of every Gaussian if components come in pairs. Raises InputError when all frames equal the rest shape.
    """
    with threadpool_limits(limits=1):
        return _minimize(engine, locate, options, CenterPriors(tuple(options.centers), mirror), start)


def _minimize(
    engine: Engine, locate: Locate, options: SldcOptions, priors: CenterPriors, start: Start | None
) -> LocalComponents:
    solver = options.solver
    energies = engine.energies()
    total = float(energies.sum())
    if not total > 0:
        raise equal_frames("SLDC", engine.frames)
    if start is None:
        W = np.zeros((engine.frames, options.k))
        centers = Centers(options.k, priors, engine.count)
        for k in range(options.k):
            energies = _seed(engine, locate, options, W, centers, k, energies)
    else:
        W, centers = start.W.astype(np.float64), Centers(options.k, priors, engine.count, start.places)
        engine.load(start.C)
    rho = solver.admm.rho or max(0.2 * float((W**2).sum(axis=0).mean()), 1e-3)
    state = engine.products()
    objective: list[float] = []
    reseeds = np.zeros(options.k, dtype=np.int64)
    supports = _Supports(engine, locate, options)
    inertia = _Inertia(solver.momentum, signed=options.signed)
    since = 0  # first iteration after the last intervention
    while len(objective) < solver.max_iterations and not _converged(objective[since:], solver.tolerance):
        for _ in range(solver.sweeps):
            update_weights(W, state.gram, state.projection, signed=options.signed)
        inertia.extrapolate(W)
        supports.move(centers.vertices)
        centers.follow(state.peaks, np.where(supports.at(state.peaks) > solver.slack, state.heights, 0.0))
        supports.move(centers.vertices)
        state = engine.improve(W, rho, solver.admm)
        residual = total - 2 * float(np.vdot(W, state.projection)) + float(np.vdot(W.T @ W, state.gram))
        objective.append(residual + state.penalty)
        logger.info("iteration %d: objective %.6g, %.1f ADMM steps", len(objective), objective[-1], state.steps)
        if len(objective) > 1 and objective[-1] > objective[-2]:
            inertia.restart()
        if solver.reseed and 2 * len(objective) < solver.max_iterations:
            dead = np.flatnonzero(((np.diag(state.gram) <= DEAD) | ~W.any(axis=0)) & (reseeds < MAX_RESEEDS))
            reseeds[dead] += 1
            for k in dead.tolist():
                engine.clear(k)
                W[:, k] = 0
                _seed(engine, locate, options, W, centers, k, engine.residual_energies(W))
            if len(dead):
                state = engine.products()
                inertia.restart()
                since = len(objective)
    order = np.argsort(-(W**2).sum(axis=0) * np.diag(state.gram), kind="stable")
    return LocalComponents(
        W=W[:, order].astype(np.float32),
        C=engine.components()[order].astype(np.float32, copy=False),
        places=centers.places(order),
        objective=np.array(objective),
        converged=_converged(objective[since:], solver.tolerance),
        reseeded=int(reseeds.sum()),
    )


class _Supports:
    """The support maps around the current centers; the engine is updated only where they change."""

    def __init__(self, engine: Engine, locate: Locate, options: SldcOptions) -> None:
        self._engine, self._locate, self._lambda = engine, locate, options.lambda_
        self._centers = np.full(options.k, -1, dtype=np.int64)
        self._maps = np.zeros((options.k, engine.count), dtype=np.float32)

    def move(self, centers: NDArray[np.int64]) -> None:
        """Center the supports on the Gaussians `centers` [K]."""
        changed = np.flatnonzero(centers != self._centers)
        if len(changed):
            self._maps[changed] = self._locate(centers[changed])
            self._engine.limit(changed, self._lambda * self._maps[changed])
            self._centers[changed] = centers[changed]

    def at(self, gaussians: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the value [K] of each component's support map at its entry of `gaussians` [K]."""
        return self._maps[np.arange(len(gaussians)), gaussians]


class _Inertia:
    """Extrapolation of the weights along their last change (inertia)."""

    def __init__(self, momentum: float, *, signed: bool) -> None:
        self._first, self._signed = momentum, signed
        self.restart()

    def restart(self) -> None:
        """Forget the last change and return to the initial momentum."""
        self._momentum = self._first
        self._last: NDArray[np.float64] | None = None

    def extrapolate(self, W: NDArray[np.float64]) -> None:
        """Extrapolate `W` [F, K] in place along its last update, within its allowed range."""
        updated = W.copy()
        if self._last is not None and self._momentum > 0:
            W += self._momentum * (updated - self._last)
            for k in range(W.shape[1]):
                W[:, k] = project_weights(W[:, k], signed=self._signed)
            self._momentum = min(self._momentum * MOMENTUM_GROWTH, MOMENTUM_LIMIT)
        self._last = updated


def _converged(objective: list[float], tolerance: float) -> bool:
    """Return whether the objective's relative change over the last `WINDOW` iterations was below `tolerance` each."""
    last = objective[-1 - WINDOW :]
    return len(last) > WINDOW and max(last) - min(last) <= WINDOW * tolerance * abs(last[-1])


def _seed(
    engine: Engine,
    locate: Locate,
    options: SldcOptions,
    W: NDArray[np.float64],  # [F, K], column k is written
    centers: Centers,
    k: int,
    energies: NDArray[np.float64],  # [N] energy of the residual without component k
) -> NDArray[np.float64]:
    """Start component `k` at the Gaussian with the largest residual, or where the constraints put it.

    Returns the energies of the new residual. The weights are the first singular vector of that Gaussian's residual, on
    the side with more energy. (The authors' program compares the sides after scaling each to maximum 1, and so prefers
    a side of evenly small noise.)
    """
    center = centers.place(k, energies)
    left, singular, _ = np.linalg.svd(engine.residual_at(center, W), full_matrices=False)
    w = left[:, 0] * singular[0]
    w = max(w, -w, key=lambda side: float((side.clip(min=0.0) ** 2).sum()))
    w = project_weights(w, signed=options.signed)
    if not w.any():
        return energies
    fall = engine.seed(k, w, W, 1 - locate(np.array([center]))[0])
    W[:, k] = w
    return (energies - fall).clip(min=0.0)


def project_weights(w: NDArray[np.float64], *, signed: bool) -> NDArray[np.float64]:
    """Return `w` [F] with negative values set to zero (unless `signed`), scaled to magnitude 1 (or all 0)."""
    allowed = w if signed else np.maximum(w, 0.0)
    largest = np.abs(allowed).max()
    return allowed / largest if largest > 0 else np.zeros_like(w)


def update_weights(
    W: NDArray[np.float64],  # [F, K]
    gram: NDArray[np.float64],  # [K, K] C Cᵀ
    projection: NDArray[np.float64],  # [F, K] X Cᵀ
    *,
    signed: bool,
) -> None:
    """Update the columns of `W` in place, one after the other, each to its projected least-squares optimum.

    With R the residual without component k, the optimum is R c_k / c_kᵀc_k, and R c_k = X c_k - Σ_(j≠k) w_j c_jᵀc_k.
    """
    for k in range(W.shape[1]):
        length = gram[k, k]
        if length <= DEAD:
            W[:, k] = 0.0
            continue
        W[:, k] = project_weights((projection[:, k] - W @ gram[:, k]) / length + W[:, k], signed=signed)
