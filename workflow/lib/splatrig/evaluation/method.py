"""All metrics of one component file."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from splatrig.components.component_file import Components, blend
from splatrig.evaluation.attribute_rows import AttributeRows
from splatrig.evaluation.reconstruction import (
    Projection,
    add_convergence,
    add_influence,
    describe_components,
    sweep_reconstruction,
    usable_ks,
)
from splatrig.evaluation.scene import Place, Scene
from splatrig.evaluation.shape_model import LeftOut, RandomFaces, add_specificity
from splatrig.evaluation.table import MethodTable
from splatrig.io.errors import InputError
from splatrig.jobs.progress import track

PICTURED_FACES = 12
"""Number of random faces that are rendered per number of components."""


class MethodEvaluation:
    """Metrics of one component file on the rows of all frames and, given a scene, in rendered images."""

    def __init__(
        self, method: str, level: str, components: Components, data: AttributeRows, ks: Iterable[int], seed: int
    ) -> None:
        """Take components and the fitted rows at their level.

        The reference is the fitted rows. Learned rigs were not trained to follow them: they reproduce the training
        frames with their own weights, which were learned in training cameras (with fewer than K components, the closest
        weights to that result), and their distance from the fitted rows is measured. Metrics cover the structured
        Gaussians, which fitted rows have; images also show free ones.

        Raises InputError for rows of another capture or level, and for components that do not move centers.
        """
        shown, components = components, components.on_mesh.without_eyes()
        xyz, width = components.columns["xyz"], len(components.columns)
        if data.X.shape[1] != width or not set(components.frames) <= set(data.frames):
            raise InputError(
                f"evaluation of {method}: expected rows of {width} values, {components.frames[0]} to "
                f"{components.frames[-1]} among them, got {data.X.shape[1]} values of {data.frames[0]} to "
                f"{data.frames[-1]}: components and attributes are not of the same capture and level; make both again."
            )
        own = components.is_learned
        self.method, self.level, self.components = method, level, components
        self.data = data.chosen([data.frames.index(name) for name in components.frames]) if own else data
        self._neutral_xyz = data.X[data.neutral_row, xyz].reshape(-1, 3)
        self._targets = replace(self.data, X=components.rows()) if own else self.data
        self.ks = list(ks)
        self._generator = np.random.default_rng(seed)
        self._projection = Projection(components, self._targets.X)
        eyes = np.flatnonzero(shown.turns_eye_alone)
        mesh = np.setdiff1d(np.arange(len(shown)), eyes)
        self._order = np.concatenate([mesh[components.by_energy()], eyes])
        self._shown = shown.select(self._order)
        self._carried = method.startswith("upsampled")
        self._left_out: LeftOut | None = None
        self._random: dict[int, RandomFaces] = {}

    def table(self, learned_on: int | None = None) -> pd.DataFrame:
        """Return all rows of the long table that need no images.

        `learned_on` is the number of Gaussians that the components were learned on, where known.
        """
        table = MethodTable(self.method, self.level)
        components, data = self.components, self.data
        if learned_on is not None:
            table.add("gaussians", learned_on, "Gaussians", 1, k=len(components))
        sweep_reconstruction(table, self._projection, data, self.ks)
        add_influence(table, self._projection, data)
        describe_components(table, components, self._neutral_xyz)
        self._random = add_specificity(table, self._projection, self._targets, self.ks, self._generator)
        if components.family == "pca" and not self._carried:
            self._left_out = LeftOut(self._projection, data, self.ks)
            self._left_out.add_to(table, self._generator)
        add_convergence(table, components)
        return table.frame()

    def pictures(
        self,
        scene: Scene,
        driving: NDArray[np.floating] | None = None,  # [F, K]
    ) -> pd.DataFrame:
        """Render the poses that `table` measured, from the cameras of the scene; call it after `table`.

        Rendered are the peaks of the expressions that were learned from, with all components and their own weights if
        these were learned, and with the weights `driving`, if known.
        """
        data, pose = self.data, scene.posing(self._shown)
        peaks = np.array([row for row in data.peaks() if data.train[row]])
        weights = "own" if self.components.is_learned else "rows"
        for k in track(usable_ks(self.ks, self._projection.count), "numbers of components", unit="k"):
            for row, estimate in zip(peaks, self._rows(self._weights(k), looking=True)[peaks], strict=True):
                scene.compare(Place("reconstruction", k, data.frames[row], "train", weights), pose(estimate))
        if driving is not None:
            ordered = driving[:, self._order].astype(np.float32)
            for row, estimate in zip(peaks, blend(self._shown.rest, ordered[peaks], self._shown.basis), strict=True):
                place = Place("driven", len(self.components), data.frames[row], "train", "true")
                scene.compare(place, pose(estimate))
        if scene.follows(self.components):
            pose, k = scene.posing(self._shown, follow=False), self._projection.count
            for row, estimate in zip(peaks, self._rows(self._weights(k))[peaks], strict=True):
                scene.compare(Place("unfollowed", k, data.frames[row], "train", weights), pose(estimate))
        if not self._carried:
            self._show_random(scene)
        if self._left_out is not None and self.method.endswith("_all"):
            self._show_left_out(scene, self._left_out)
        return scene.frame(self.method, self.level)

    def _weights(self, k: int) -> NDArray[np.float32]:  # [F, k]
        """Return the weights of the first k components; for all K of a learned rig, its own weights."""
        count = len(self.components)
        if self.components.is_learned and k == count:
            return self._shown.W[:, :count]
        return self._projection.weights(k)

    def _rows(self, W: NDArray[np.float32], *, looking: bool = False) -> NDArray[np.float32]:  # [S, D]
        """Return the rows of all Gaussians, in stored units, for weights `W` [S, k] of the first k components.

        With `looking`, `W` belongs to the frames that were learned from, and the eyes have the gaze of those frames.
        """
        shown, count = self._shown, len(self.components)
        rows = blend(shown.rest, W, shown.basis[: W.shape[1]])
        return blend(rows, shown.W[:, count:], shown.basis[count:]) if looking and len(shown) > count else rows

    def _show_random(self, scene: Scene) -> None:
        """Compare random faces with their nearest frame, for the fewest, the median and all components."""
        pose, ks = scene.posing(self._shown), sorted(self._random)
        for k in sorted({ks[0], ks[len(ks) // 2], ks[-1]} if ks else set()):
            faces = self._random[k]
            for sample, row in enumerate(self._rows(faces.weights[:PICTURED_FACES])):
                place = Place("specificity", k, self.data.frames[faces.nearest[sample]], "train", sample=sample)
                scene.compare(place, pose(row))

    def _show_left_out(self, scene: Scene, left_out: LeftOut) -> None:
        """Compare the peaks of the left-out expressions with their photographs."""
        pose, data = scene.posing(self._shown), self.data
        peaks = set(data.peaks().tolist())
        for k in left_out.mixtures:
            folds = left_out.folds(k)
            chosen = [i for i, row in enumerate(left_out.rows) if row in peaks and left_out.groups[i] in folds]
            for index, row in zip(chosen, left_out.estimate(k, np.array(chosen)), strict=True):
                scene.compare(Place("generalization", k, data.frames[left_out.rows[index]], "left_out"), pose(row))
