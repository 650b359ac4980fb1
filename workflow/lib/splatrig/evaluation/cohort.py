"""Figures of every method over the subjects of a cohort: by subject, mean and interval over subjects."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from splatrig.components.labels import label_of
from splatrig.evaluation.figures import from_zero, in_order, look_of, panels, say_absent, styled
from splatrig.evaluation.measures import Interval
from splatrig.evaluation.summary import QUANTITIES
from splatrig.evaluation.text_tables import fixed

CONFIDENCE = 0.95
KEYS = ("quantity", "unit", "method", "level")
"""Columns that name one figure of one method, as in `comparison.csv` of a subject."""
BY_SUBJECT = ("subject", *KEYS, "value")
"""Columns of `by_subject.csv`: one value of one subject per row."""
NOTE = (
    "Mean over subjects with its 95 % interval: Student's t over one value per subject, so it says how the mean would "
    "vary with other subjects like these, not how one subject's value does. n is the number of subjects."
)


def mean_over_subjects(values: NDArray[np.floating]) -> Interval:  # [n]
    """Return the mean of one value per subject with its 95 % interval by Student's t; of one subject without bounds."""
    count, mean = len(values), float(np.mean(values))
    if count < 2:
        return Interval(mean, np.nan, np.nan, count)
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, count - 1) * stats.sem(values))
    return Interval(mean, mean - half, mean + half, count)


def by_subject(comparisons: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the values of all subjects with the columns `BY_SUBJECT`, from the main table of each by its name."""
    tables = [table.assign(subject=name) for name, table in comparisons.items()]
    return pd.concat(tables, ignore_index=True)[list(BY_SUBJECT)].dropna(subset="value")


def over_subjects(values: pd.DataFrame) -> pd.DataFrame:
    """Return mean, low, high and n over subjects of every figure of `by_subject`, and `text`, its cell for readers.

    A figure that only some subjects have is that of these; n says how many they are.
    """
    digits = {quantity.title: quantity.digits for quantity in QUANTITIES}
    rows = []
    for key, own in values.groupby(list(KEYS), sort=False, dropna=False):
        found = mean_over_subjects(own["value"].to_numpy())
        said = [fixed(value, digits.get(str(key[0]), 3)) for value in (found.mean, found.low, found.high)]
        varies = found.high > found.low  # counts that are the same for all subjects have no interval
        text = f"{said[0]} [{said[1]}, {said[2]}]" if varies else f"{found.mean:.6g}"
        rows.append((*key, found.mean, found.low, found.high, found.count, text))
    return pd.DataFrame(rows, columns=[*KEYS, "mean", "low", "high", "n", "text"])


@dataclass(frozen=True)
class Shown:
    """One panel of the figure: a quantity of the main table."""

    title: str
    quantities: tuple[str, ...]
    """Names of the quantity, of which a table has one."""
    zero: bool = True
    """Whether the axis begins at zero."""


SHOWN = (
    Shown("images (PSNR, dB)", ("images, held-out cameras, PSNR", "images, training cameras, PSNR"), zero=False),
    Shown("centers rebuilt (RMSE, mm)", ("rebuilt frames, centers of the head, RMSE",)),
    Shown("expressions left out (RMSE, mm)", ("expressions left out, centers, RMSE",)),
    Shown("displacement explained (%)", ("displacement explained",)),
)


@styled
def draw_cohort(values: pd.DataFrame) -> Figure:
    """Plot, per method, a dot per subject and their mean with its 95 % interval, from the table `by_subject`."""
    rows = {
        shown: values[values["quantity"].isin(shown.quantities) & ~values["method"].str.startswith("upsampled_")]
        for shown in SHOWN
    }
    methods = in_order({method for own in rows.values() for method in own["method"]})
    figure, axes = panels(1, len(SHOWN), width=3.3, height=0.9 + 0.42 * max(len(methods), 3))
    for index, (ax, (shown, own)) in enumerate(zip(axes[0], rows.items(), strict=True)):
        _dots(ax, own, methods)
        ax.set_yticks(range(len(methods)), [label_of(name) for name in methods] if index == 0 else [""] * len(methods))
        ax.set_ylim(len(methods) - 0.4, -0.6)
        ax.set_xlabel(shown.title)
        ax.grid(axis="y", visible=False)
        if own.empty:
            say_absent(ax, "not measured")
        elif shown.zero:
            from_zero(ax, vertical=False)
    return figure


def _dots(ax: Axes, rows: pd.DataFrame, methods: list[str]) -> None:
    """Plot the subjects of each method on its line, and their mean with the interval above them."""
    for place, method in enumerate(methods):
        own = rows.loc[rows["method"] == method, "value"].to_numpy()
        if not len(own):
            continue
        found = mean_over_subjects(own)
        look: Any = look_of(method)
        color = look["color"]
        ax.plot(own, np.full(len(own), place + 0.16), "o", color=color, alpha=0.45, markersize=4, markeredgewidth=0)
        ax.plot(found.mean, place - 0.12, linestyle="none", markersize=7, **look)
        left, right = own.min() - 2 * np.ptp(own), own.max() + 2 * np.ptp(own)  # few subjects have wide intervals
        ax.hlines(place - 0.12, max(found.low, left), min(found.high, right), color=color, linewidth=1.6)
