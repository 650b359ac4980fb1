"""Recovery of the face units that made the demo; only the evaluation sees these true units."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from splatrig.components.component_file import Components
from splatrig.components.units import cosines, read_unit_weights, turns_eyes
from splatrig.io.errors import InputError

FOUND = 0.8
"""A unit counts as found when the correlation with its own component is at least this."""


@dataclass(frozen=True)
class TrueWeights:
    """Weights that the synthesizer of the demo used."""

    weights: NDArray[np.float64]  # [F, U]
    """Weights in the row order of the requested frames."""
    units: tuple[str, ...]
    """Names of the U face units of the skin that vary over those frames."""


def read_truth(path: str | Path, frames: tuple[str, ...]) -> TrueWeights:
    """Read `truth.csv` (expression, frame, unit, weight) for `frames` (`expression/frame`); missing pairs are 0.

    Units that rotate the eyes are left out: the skin shows little of them, and eyes that move together with the mouth
    would claim the mouth's component in a one-to-one assignment.
    """
    names, weights = read_unit_weights(path, frames)
    moving = [unit for unit, name in enumerate(names) if np.ptp(weights[:, unit]) > 0 and not turns_eyes(name)]
    return TrueWeights(weights[:, moving], tuple(names[unit] for unit in moving))


def correlations(weights: NDArray, truth: NDArray) -> NDArray[np.float64]:  # [U, K]
    """Return the Pearson correlation over frames of true weights [F, U] with fitted ones [F, K]; 0 for constants."""
    return cosines((truth - truth.mean(axis=0)).T, (weights - weights.mean(axis=0)).T)


def match_units(
    weights: NDArray,  # [F, K]
    truth: TrueWeights,
    *,
    signed: bool,
    names: tuple[str, ...] = (),
) -> pd.DataFrame:
    """Return, per face unit, its own component: the one-to-one assignment with the largest sum of correlations.

    Uses Kuhn's Hungarian method (1955). `signed` weights (PCA) may match with either sign, since a component's sign is
    arbitrary. Components that have the units' `names` are assigned by name, however low their correlation. Columns:
    unit, component (-1 if there is none), correlation, best (correlation with any component, also one assigned to
    another unit).
    """
    table = correlations(np.asarray(weights, dtype=np.float64), truth.weights)
    score = np.abs(table) if signed else np.maximum(table, 0.0)
    if names:
        assigned = {row: names.index(unit) for row, unit in enumerate(truth.units) if unit in names}
    else:
        rows, columns = linear_sum_assignment(-score)
        assigned = dict(zip(rows.tolist(), columns.tolist(), strict=True))
    return pd.DataFrame(
        {
            "unit": truth.units,
            "component": [assigned.get(unit, -1) for unit in range(len(truth.units))],
            "correlation": [
                score[unit, assigned[unit]] if unit in assigned else 0.0 for unit in range(len(truth.units))
            ],
            "best": score.max(axis=1, initial=0.0),
        }
    )


def explained_by_components(weights: NDArray, truth: TrueWeights) -> NDArray[np.float64]:  # [U]
    """Return R²: the fraction of each unit's variance over frames that an affine map of the fitted weights explains."""
    design = np.column_stack([np.ones(len(weights)), np.asarray(weights, dtype=np.float64)])
    fitted = design @ np.linalg.lstsq(design, truth.weights, rcond=None)[0]
    spread = np.square(truth.weights - truth.weights.mean(axis=0)).sum(axis=0)
    return 1.0 - np.square(truth.weights - fitted).sum(axis=0) / spread


def count_found(table: pd.DataFrame) -> int:
    """Return the number of units with a component of their own that follows them closely (`FOUND`)."""
    return int((table["correlation"] >= FOUND).sum())


def compare_with_truth(components: Components, path: str | Path) -> pd.DataFrame:
    """Return `match_units` of a component file, with R² of each unit from all weights, and n, the number of frames."""
    truth = read_truth(path, components.frames)
    signed = bool(components.W.min(initial=0.0) < 0)
    names = components.names if components.are_blendshapes else ()
    table = match_units(components.W, truth, signed=signed, names=names)
    return table.assign(r_squared=explained_by_components(components.W, truth), n=len(components.frames))


def driving_weights(components: Components, path: str | Path) -> NDArray[np.float64]:  # [F, K]
    """Return the weights of `truth.csv` that drive blendshapes through their training frames, by name.

    Blendshapes that the table lacks stay at rest.

    Raises:
        InputError: The table has none of the blendshapes.
    """
    units, weights = read_unit_weights(path, components.frames)
    if not set(units) & set(components.names):
        raise InputError(
            f"{path}: expected face units by the names of the components, {components.names[0]} and so on, got "
            f"{', '.join(units) or 'none'}; give the table of this capture."
        )
    still = np.zeros(len(components.frames))
    columns = [weights[:, units.index(name)] if name in units else still for name in components.names]
    return np.stack(columns, axis=1)
