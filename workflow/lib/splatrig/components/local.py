"""Run SLDC on an attribute matrix at a level of the template."""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from splatrig.components.centers import mirror_map
from splatrig.components.component_file import Solver
from splatrig.components.matrix import AttributeMatrix, Decomposition, StandardizedRows, standardize
from splatrig.components.sldc import (
    Engine,
    LocalComponents,
    Locate,
    SldcOptions,
    Start,
    sparse_localized_components,
)
from splatrig.components.sldc_cpu import CpuEngine
from splatrig.components.support import Locality, largest_distance_mm
from splatrig.config.choices import Rest
from splatrig.config.support_maps import SupportMap
from splatrig.io.errors import InputError
from splatrig.mesh.geodesic import GeodesicSolver
from splatrig.mesh.template import Level, Template

logger = logging.getLogger(__name__)

COLUMNS_IN_CACHE = 1536
"""Columns of a block of Gaussians: for 50 components 300 kB, which fits into the second-level cache."""


@dataclass(frozen=True)
class CoarseStart:
    """A coarser level on which the components are found first; two levels down costs a sixteenth of the work."""

    level: Level
    operator: csr_array  # [V, V_coarse] midpoint operator to the level of the rows


def coarse_start(template: Template, level: str) -> CoarseStart | None:
    """Return the base level as a coarse start for `level`; None for the base itself."""
    base = next(iter(template.levels))
    return None if level == base else CoarseStart(template.base, template.between(base, level))


def local_components(
    matrix: AttributeMatrix,
    level: Level,
    options: SldcOptions,
    support: SupportMap,
    rest: Rest,
    threads: int = 1,
    device: str = "cpu",
    coarse: CoarseStart | None = None,
) -> Decomposition:
    """Run SLDC on the standardized rows of `matrix`, with geodesic distances on the neutral mesh.

    Several attributes have the same supports: the values of a Gaussian are penalized, and become zero, together.

    Args:
        matrix: F training rows of one or more attributes.
        level: Neutral mesh whose vertices are the Gaussians.
        options: Number, sparsity and supports of the components.
        support: Support map.
        rest: Rest shape, `neutral` or `mean`.
        threads: CPU threads.
        device: Device of the solver.
        coarse: Coarser level on which components are found first; they are then interpolated and refined.

    Example:
        >>> found = local_components(matrix, template.finest_level, SldcOptions(k=20), GaussMap(), rest="neutral")
    """
    started = time.perf_counter()
    standardization = standardize(matrix, rest, threads)
    width = matrix.columns.width
    if matrix.shape[1] != width * len(level.vertices):
        raise InputError(
            f"SLDC: expected {len(level.vertices)} Gaussians, one per vertex, got {matrix.shape[1] // width}."
        )
    rows = StandardizedRows(matrix, standardization)
    locate, unit = _locality(level, options, support)
    size = COLUMNS_IN_CACHE // width
    start = None
    if coarse is not None:
        blocks = rows.gaussian_blocks(size, threads, len(coarse.level.vertices))
        start = _found_on(coarse, make_engine(blocks, options.k, threads, device), options, support)
    engine = make_engine(rows.gaussian_blocks(size, threads), options.k, threads, device)
    found = sparse_localized_components(engine, locate, options, _mirror(level, options), start)
    _report(found, time.perf_counter() - started)
    return Decomposition(
        "sldc",
        W=found.W,
        C=matrix.columns.by_column(found.C),
        standardization=standardization,
        limits=(-1.0, 1.0) if options.signed else (0.0, 1.0),
        centers=found.places.vertices,
        partners=found.places.partner,
        distance_unit_mm=unit,
        solver=Solver(
            converged=found.converged,
            iterations=len(found.objective),
            objective=np.asarray(found.objective),
            reseeded=found.reseeded,
        ),
    )


def _mirror(level: Level, options: SldcOptions) -> NDArray[np.int64] | None:  # [V]
    """Return the mirror image of every vertex of a level, if components come in pairs."""
    return mirror_map(level.vertices) if options.symmetric else None


def _locality(level: Level, options: SldcOptions, support: SupportMap) -> tuple[Locate, float]:
    """Return the support maps on a level, and the unit of its distances in millimeters."""
    solver = GeodesicSolver(level.vertices, level.faces)
    unit = largest_distance_mm(solver, int(level.faces[0, 0])) if options.distance == "relative" else 1.0
    return Locality(solver, support, unit).rows, unit


def _found_on(coarse: CoarseStart, engine: Engine, options: SldcOptions, support: SupportMap) -> Start:
    """Return SLDC's result on the coarse level, interpolated to the fine one. Coarse vertices keep their indices."""
    locate, _ = _locality(coarse.level, options, support)
    found = sparse_localized_components(engine, locate, options, _mirror(coarse.level, options))
    logger.info("coarse level: %d iterations, objective %.6g", len(found.objective), found.objective[-1])
    C = np.stack([coarse.operator @ component for component in found.C]).astype(np.float32)
    return Start(found.W, C, found.places)


def make_engine(blocks: Iterable[NDArray[np.float32]], k: int, threads: int, device: str) -> Engine:
    """Return the engine for `device`; torch is imported only for CUDA, since it costs seconds."""
    if device == "cpu":
        return CpuEngine(blocks, k, threads)
    from splatrig.components.sldc_torch import TorchEngine

    return TorchEngine(blocks, k, device)


def _report(found: LocalComponents, seconds: float) -> None:
    zero_rows = float((~found.C.any(axis=2)).mean())
    logger.info(
        "%d iterations in %.1f s, %s, %d reseeded; %.1f %% of the rows are zero",
        len(found.objective),
        seconds,
        "converged" if found.converged else "stopped before convergence",
        found.reseeded,
        100 * zero_rows,
    )
