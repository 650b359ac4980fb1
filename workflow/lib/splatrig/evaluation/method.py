"""All numbers of one component file."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from splatrig.components.file import Components
from splatrig.evaluation.reconstruction import (
    add_convergence,
    describe_components,
    split_attributes,
    sweep_reconstruction,
)
from splatrig.evaluation.rows import AttributeRows
from splatrig.evaluation.shape_model import add_pca_generalisation, add_specificity
from splatrig.evaluation.table import MethodTable


def evaluate_method(
    method: str, level: str, components: Components, data: AttributeRows, ks: Iterable[int], seed: int
) -> pd.DataFrame:
    """Return everything that the long table says of one component file on the rows `data`."""
    table = MethodTable(method, level)
    ks = list(ks)
    generator = np.random.default_rng(seed)
    sweep_reconstruction(table, components, data, ks)
    xyz = split_attributes(data.X[[data.neutral_row]], components)["xyz"][0]
    describe_components(table, components, xyz)
    add_specificity(table, components, data, ks, generator)
    if components.family == "pca" and not method.startswith("upsampled"):
        add_pca_generalisation(table, components, data, ks, generator)
    add_convergence(table, components)
    return table.frame()
