"""Components learned without one expression, shown in its frames: weights from photographs in training cameras."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from splatrig.components.component_file import Components
from splatrig.evaluation.attribute_rows import AttributeRows
from splatrig.evaluation.left_out import fold_errors, fold_table
from splatrig.evaluation.scene import Place, Scene
from splatrig.learned.compare import Comparison, unseen_weights


@dataclass(frozen=True)
class Fold:
    """What one expression is left out of."""

    method: str
    level: str
    components: Components
    """Learned without any frame of it."""
    data: AttributeRows
    """Fitted rows of all frames, of the attributes that the components move."""
    expression: str

    @property
    def rows(self) -> NDArray[np.int64]:
        """The rows of `data` that were left out."""
        return np.flatnonzero(self.data.expressions == self.expression)

    def solve(self, comparison: Comparison) -> NDArray[np.float32]:  # [R, D] in stored units
        """Return the left-out frames as the components make them.

        Weights begin with those that follow the tracked mesh and are improved through the rasteriser, on photographs
        of the training cameras.
        """
        parts = self.components
        names = [self.data.frames[row] for row in self.rows]
        return parts.rows(np.asarray(unseen_weights(comparison, parts, names), dtype=np.float32))

    def numbers(self, solved: NDArray[np.float32]) -> pd.DataFrame:
        """Return how far the `solved` rows [R, D] are from the fitted ones, as `left_out.FOLD_COLUMNS`."""
        parts = self.components
        errors = fold_errors(parts.on_mesh, self.data.X[self.rows], solved[:, parts.columns_on_mesh])
        return fold_table(self.method, self.level, len(self.components), self.expression, errors, len(solved))

    def pictures(self, solved: NDArray[np.float32], scene: Scene) -> pd.DataFrame:
        """Render the peak of the expression from the cameras of the scene; return rows of `images.csv`."""
        peaks, pose = set(self.data.peaks().tolist()), scene.posing(self.components)
        for row, made in zip(self.rows.tolist(), solved, strict=True):
            if row in peaks:
                place = Place("generalization", len(self.components), self.data.frames[row], "left_out", "photographs")
                scene.compare(place, pose(made))
        return scene.frame(self.method, self.level)
