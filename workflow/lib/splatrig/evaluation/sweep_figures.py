"""Figures of components learned again: against k, against the sparsity weight, and the duration of learning."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from splatrig.components.labels import label_of
from splatrig.evaluation.figures import from_zero, in_order, look_of, method_curves, panels, shared_legend, styled
from splatrig.evaluation.table import pick

LABEL_APART = 5.5
"""Minimum distance of two labels, in percent of zero rows."""


@styled
def draw_matched(sweeps: pd.DataFrame) -> Figure:
    """Plot components learned for each k: errors on seen and on left-out expressions, sparsity, support."""
    figure, axes = panels(2, 2)
    against_k, left_out = sweeps[sweeps["sweep"] == "k"], sweeps[sweeps["sweep"] == "left_out"]
    method_curves(
        axes[0, 0], against_k, "rmse_xyz", unit="RMSE of centers (mm)", title="Frames that were learned from",
        split="train", region="head",
    )  # fmt: skip
    method_curves(
        axes[0, 1], left_out, "generalization_xyz", unit="RMSE of centers (mm)", title="Expressions left out",
        region="head",
    )  # fmt: skip
    method_curves(axes[1, 0], against_k, "zero_rows", unit="zero rows (%)", title="Sparsity", scale=100.0)
    method_curves(axes[1, 1], against_k, "support_radius", unit="support radius (mm)", title="Locality")
    for ax in axes.flat:
        from_zero(ax)
    shared_legend(figure, axes, 4)
    return figure


@styled
def draw_tradeoff(sweeps: pd.DataFrame) -> Figure:
    """Plot error, step and support radius of SLDC against the fraction of zero rows, one point per sparsity weight."""
    figure, axes = panels(1, 3, width=4.4)
    rows = sweeps[sweeps["sweep"] == "lambda"]
    keys = ["method", "lambda"]
    sparsity = pick(rows, "zero_rows").set_index(keys)["value"] * 100.0
    for ax, metric, scale, unit in (
        (axes[0, 0], "rmse_xyz", 1.0, "RMSE of centers (mm)"),
        (axes[0, 1], "support_radius", 1.0, "support radius (mm)"),
        (axes[0, 2], "jump", 100.0, "largest step over an edge (% of peak)"),
    ):
        found = pick(rows, metric, split="train", region="head").set_index(keys)["value"] * scale
        for method in in_order(rows["method"]):
            lambdas = sorted(set(found.loc[method].index) & set(sparsity.loc[method].index))
            x = np.array([sparsity[method, lambda_] for lambda_ in lambdas])
            y = np.array([found[method, lambda_] for lambda_ in lambdas])
            ax.plot(x, y, label=label_of(method), **look_of(method))
            above = method.startswith("sldc_gauss")
            labeled = -np.inf  # where labels would overlap, only the smaller weight is labeled
            for lambda_, at_x, at_y in zip(lambdas, x, y, strict=True) if metric == "rmse_xyz" else ():
                if at_x - labeled < LABEL_APART:
                    continue
                labeled = at_x
                ax.annotate(
                    f"λ {lambda_:g}",
                    (at_x, at_y),
                    xytext=(-5 if above and at_x > 15 else 4, 6 if above else -12),
                    textcoords="offset points",
                    fontsize=7.5,
                    ha="right" if above and at_x > 15 else "left",
                    color=look_of(method)["color"],
                )
        ax.set_xlabel("zero rows (%)")
        ax.set_ylabel(unit)
        ax.margins(x=0.08)
        from_zero(ax)
    shared_legend(figure, axes, 2)
    return figure
