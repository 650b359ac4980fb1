"""Components learned without one expression, tested on its frames with weights solved from training photographs."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from splatrig.components.component_file import Components
from splatrig.evaluation.attribute_rows import AttributeRows
from splatrig.evaluation.left_out import fold_errors, fold_table
from splatrig.evaluation.scene import Place, Scene
from splatrig.learned.compare import Comparison, Posing, unseen


@dataclass(frozen=True)
class Fold:
    """One expression and the components that were learned without it."""

    method: str
    level: str
    components: Components
    """Components learned without any frame of the expression."""
    data: AttributeRows
    """Fitted rows of all frames, for the attributes that the components move."""
    expression: str

    @property
    def rows(self) -> NDArray[np.int64]:
        """Indices into `data` of the rows that were left out."""
        return np.flatnonzero(self.data.expressions == self.expression)

    def solve(self, comparison: Comparison) -> Posing:
        """Return the pose of the left-out frames by these components.

        Weights start from those that follow the tracked mesh and are refined through the rasterizer, on photographs of
        the training cameras.
        """
        return unseen(comparison, self.components, [self.data.frames[row] for row in self.rows])

    def _made(self, solved: Posing) -> NDArray[np.float32]:  # [R, D] in stored units
        return self.components.rows(np.asarray(solved.weights, dtype=np.float32))

    def numbers(self, solved: Posing) -> pd.DataFrame:
        """Return the distance of the solved rows from the fitted ones, as `left_out.FOLD_COLUMNS`."""
        parts, made = self.components, self._made(solved)
        errors = fold_errors(parts.on_mesh, self.data.X[self.rows], made[:, parts.columns_on_mesh])
        return fold_table(self.method, self.level, len(self.components), self.expression, errors, len(made))

    def pictures(self, solved: Posing, scene: Scene) -> pd.DataFrame:
        """Render the peak of the expression from the cameras of the scene; return rows of `images.csv`."""
        peaks, pose = set(self.data.peaks().tolist()), scene.posing(self.components)
        for row, made in zip(self.rows.tolist(), self._made(solved), strict=True):
            if row in peaks:
                place = Place("generalization", len(self.components), self.data.frames[row], "left_out", "photographs")
                scene.compare(place, pose(made))
        return scene.frame(self.method, self.level)
