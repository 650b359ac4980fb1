"""Learn components again: for every number of components, every sparsity weight, and without one expression at a time.

The first k of K components of a method that is not nested (SLDC) are not its best k, so k components are learned for
each point of a curve. All of this happens at one, usually coarse, level, on the centers only.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from splatrig.components.component_file import Components
from splatrig.components.local import local_components
from splatrig.components.matrix import in_memory
from splatrig.components.pca import principal_components
from splatrig.components.sldc import SldcOptions
from splatrig.config.choices import Rest
from splatrig.config.support_maps import SupportMap
from splatrig.evaluation.attribute_rows import AttributeRows
from splatrig.evaluation.left_out import add_folds, fold_errors
from splatrig.evaluation.measures import attribute_error, rms
from splatrig.evaluation.reconstruction import add_convergence, describe_components, rebuild
from splatrig.evaluation.scene import Place, Scene
from splatrig.evaluation.shape_model import most_components
from splatrig.evaluation.table import RUNTIME_COLUMNS, SWEEP_COLUMNS, MethodTable
from splatrig.jobs.progress import track
from splatrig.mesh.template import Level


@dataclass(frozen=True)
class Learner:
    """Learns components of any family from rows in memory."""

    rest: Rest
    level: Level
    seed: int
    sldc: SldcOptions | None = None
    """Options of SLDC, for methods of that family; the number of components is given per call."""
    support: SupportMap | None = None
    """Support map of SLDC, for methods of that family."""
    alpha: float | None = None
    """L1 penalty of sparse PCA, for methods of that family."""

    def learn(
        self, method: str, data: AttributeRows, rows: NDArray[np.int64], k: int, lambda_: float | None = None
    ) -> Components:
        """Return `k` components of `method` (the name of a component file) from the `rows` of `data`.

        The neutral must be among the rows. `lambda_` replaces the weight of SLDC's penalty. If there are fewer
        components than fixed centers, the first centers are used.
        """
        attribute = method.rsplit("_", 1)[1]
        neutral = int(np.flatnonzero(rows == data.neutral_row)[0])
        matrix = in_memory({attribute: data.X}, neutral, rows.tolist())
        if method.startswith("pca_"):
            found = principal_components(matrix, k, self.rest)
        elif method.startswith("mbspca_"):
            from splatrig.components.mbspca import (
                sparse_principal_components,
            )  # importing scikit-learn takes half a second

            assert self.alpha is not None
            found = sparse_principal_components(matrix, k, self.alpha, self.seed, self.rest)
        else:
            assert self.sldc is not None and self.support is not None
            weight = self.sldc.lambda_ if lambda_ is None else lambda_
            options = replace(self.sldc, k=k, centers=self.sldc.centers[:k], lambda_=weight)
            found = local_components(matrix, self.level, options, self.support, self.rest)
        return found.components(
            faces=self.level.faces, face_mask=self.level.mask, frames=[data.frames[row] for row in rows]
        )


class Sweeps:
    """Collects the sweeps of one method and the duration of every learning run."""

    def __init__(self, learner: Learner, method: str, level_name: str, data: AttributeRows) -> None:
        self.learner = learner
        self.method = method
        self.level_name = level_name
        self.data = data
        self._tables: list[pd.DataFrame] = []
        self._runtimes: list[tuple[str, str, int, float, int, str, float]] = []

    def against_k(self, ks: Iterable[int]) -> None:
        """Learn k components for every k that the frames allow; add errors and properties of the components."""
        train = np.flatnonzero(self.data.train)
        for k in track([k for k in ks if k <= most_components(len(train))], "numbers of components", unit="k"):
            self._add_learned("k", train, k, None)

    def against_lambda(self, lambdas: Iterable[float], k: int) -> None:
        """Learn k components of SLDC for every weight of its penalty."""
        train = np.flatnonzero(self.data.train)
        for lambda_ in track(lambdas, "sparsity weights", unit="lambda"):
            self._add_learned("lambda", train, k, lambda_)

    def leave_one_expression_out(self, ks: Iterable[int], scene: Scene | None = None) -> None:
        """Learn without one expression at a time and rebuild it; add mean RMSE and interval over expressions.

        Generalization as in Davies (2002, §4.3.2). The neutral's expression stays in every fold, since it is the rest
        face. A fold whose frames have fewer than k components is excluded from the mean. In a `scene`, the peak of the
        left-out expression is also rendered.
        """
        data, generator = self.data, np.random.default_rng(self.learner.seed)
        expressions, peaks = data.expressions, set(data.peaks().tolist())
        folds = sorted(set(expressions[data.train]) - {expressions[data.neutral_row]})
        for k in ks:
            table, errors = MethodTable(self.method, self.level_name), []
            for name in track(folds, f"left out, k = {k}", unit="fold"):
                kept = np.flatnonzero(data.train & (expressions != name))
                if k > most_components(len(kept)):
                    continue
                components = self._learn(kept, k, None)
                out = np.flatnonzero(data.train & (expressions == name))
                estimate = rebuild(components, data.X[out])
                errors.append(fold_errors(components, data.X[out], estimate))
                if scene is not None:
                    pose = scene.posing(components)
                    for row, rebuilt in zip(out.tolist(), estimate, strict=True):
                        if row in peaks:
                            scene.compare(Place("generalization", k, data.frames[row], "left_out"), pose(rebuilt))
            add_folds(table, k, errors, generator)
            self._keep(table, "left_out", None)

    def frame(self) -> pd.DataFrame:
        """Return the long table of all sweeps."""
        return pd.concat(self._tables, ignore_index=True)[list(SWEEP_COLUMNS)]

    def runtimes(self) -> pd.DataFrame:
        """Return the duration of every learning run in seconds, with one thread."""
        return pd.DataFrame(self._runtimes, columns=list(RUNTIME_COLUMNS))

    def _lambda(self, lambda_: float | None) -> float:
        if not self.method.startswith("sldc_"):
            return float("nan")
        assert self.learner.sldc is not None
        return self.learner.sldc.lambda_ if lambda_ is None else lambda_

    def _learn(self, rows: NDArray[np.int64], k: int, lambda_: float | None) -> Components:
        started = time.perf_counter()
        components = self.learner.learn(self.method, self.data, rows, k, lambda_)
        seconds = time.perf_counter() - started
        self._runtimes.append((self.method, self.level_name, k, self._lambda(lambda_), len(rows), "learning", seconds))
        return components

    def _keep(self, table: MethodTable, sweep: str, lambda_: float | None) -> None:
        frame = table.frame()
        frame["lambda"] = self._lambda(lambda_)
        frame["sweep"] = sweep
        self._tables.append(frame)

    def _add_learned(self, sweep: str, rows: NDArray[np.int64], k: int, lambda_: float | None) -> None:
        components = self._learn(rows, k, lambda_)
        table = MethodTable(self.method, self.level_name)
        for split, chosen in (("train", rows), ("held_out", np.flatnonzero(~self.data.train))):
            if len(chosen):
                X = self.data.X[chosen]
                truth, made = (components.columns.by_attribute(each)["xyz"] for each in (X, rebuild(components, X)))
                error = attribute_error("xyz", made, truth)
                table.add("rmse_xyz", rms(error), "mm", error.size, k=k, split=split)
                face = error[:, components.face_mask]
                table.add("rmse_xyz", rms(face), "mm", face.size, k=k, region="face", split=split)
        describe_components(table, components, self.data.X[self.data.neutral_row].reshape(-1, 3))
        add_convergence(table, components)
        self._keep(table, sweep, lambda_)
