"""Coherence of fitted frames: their distance from the neutral, and how few components explain them.

Both say whether the rows of a performance can be compared Gaussian by Gaussian, which is what components need.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from splatrig.components.fields import field_of
from splatrig.evaluation.figures import COLORS, MARKERS, panels, styled
from splatrig.evaluation.measures import attribute_error, gram
from splatrig.gaussians.gaussians import SH_C0, Gaussians
from splatrig.gaussians.store import read_fitted_frames
from splatrig.io.errors import InputError

DISTANCES = {
    "center": "mm",
    "rotation": "degrees",
    "size": "log scale",
    "opacity": "logit",
    "color": "color in [0, 1]",
    "view dependence": "SH coefficient",
}
"""Measured quantities with their units. Per Gaussian: the Euclidean distance of centers, the angle between rotations,
the difference of opacities, and the RMS difference over the three log scales, the three channels of the degree-0 color,
and the 45 higher SH coefficients."""
COHERENCE_COLUMNS = ("recipe", "expression", "frame", "attribute", "unit", "median", "p95", "n")
SPECTRUM_COLUMNS = ("recipe", "attribute", "k", "explained", "frames")
"""Columns of the spectrum table; `explained` is the fraction of the variance about the mean that the first k of at most
F - 1 components explain."""

SPECTRA = ("xyz", "f_dc", "rotation", "scale")
"""Attributes of the matrix of all attributes."""


def distances(frame: Gaussians, neutral: Gaussians) -> dict[str, NDArray[np.float64]]:
    """Return the distance [N] of each Gaussian of a frame from the neutral's, by the names of `DISTANCES`."""
    if len(frame) != len(neutral):
        raise InputError(f"coherence: expected {len(neutral)} Gaussians as in the neutral, got {len(frame)}.")
    apart = {name: values.astype(np.float64) - getattr(neutral, name) for name, values in frame.items()}
    return {
        "center": np.linalg.norm(apart["means"], axis=1),
        "rotation": attribute_error("rotation", frame.quats, neutral.quats),
        "size": _root_mean_square(apart["log_scales"]),
        "opacity": np.abs(apart["logit_opacities"]),
        "color": _root_mean_square(SH_C0 * apart["sh0"]),
        "view dependence": _root_mean_square(apart["shN"]),
    }


def _root_mean_square(values: NDArray[np.float64]) -> NDArray[np.float64]:  # [N]
    return np.sqrt(np.square(values.reshape(len(values), -1)).mean(axis=1))


def coherence_table(recipe: str, stores: Iterable[str | Path], neutral: Gaussians) -> pd.DataFrame:
    """Return median and 95th percentile over the Gaussians of every fitted frame; columns `COHERENCE_COLUMNS`."""
    rows = []
    for path in stores:
        fitted = read_fitted_frames(path)
        for frame, gaussians in zip(fitted.frames, fitted.gaussians, strict=True):
            for name, values in distances(gaussians, neutral).items():
                middle, high = np.percentile(values, [50, 95])
                rows.append((recipe, fitted.expression, frame, name, DISTANCES[name], middle, high, len(values)))
    return pd.DataFrame(rows, columns=list(COHERENCE_COLUMNS))


def spectrum_table(recipe: str, stores: Sequence[str | Path]) -> pd.DataFrame:
    """Return the variance that the first k principal components explain, per attribute and of all; `SPECTRUM_COLUMNS`.

    Every attribute is divided by its standard deviation, so that all weigh equally in the joint spectrum.
    """
    grams = {name: gram(_rows(stores, field_of(name)), centered=True) for name in SPECTRA}
    standardized = {name: gram_ / trace for name, gram_ in grams.items() if (trace := np.trace(gram_)) > 0}
    rows = []
    together = {"all": np.sum(list(standardized.values()), axis=0)} if standardized else {}
    for name, gram_ in (together | standardized).items():
        variances = np.clip(np.linalg.eigvalsh(gram_)[::-1], 0.0, None)
        for k, share in enumerate(
            (np.cumsum(variances) / variances.sum())[:-1], start=1
        ):  # the mean takes one degree of freedom
            rows.append((recipe, name, k, min(share, 1.0), len(gram_)))
    return pd.DataFrame(rows, columns=list(SPECTRUM_COLUMNS))


def _rows(stores: Sequence[str | Path], field: str) -> NDArray[np.float32]:  # [F, N·d]
    """Return one field of all frames, one row per frame."""
    frames = (gaussians for path in stores for gaussians in read_fitted_frames(path).gaussians)
    return np.stack([getattr(frame, field).ravel() for frame in frames])


@styled
def draw_coherence(coherence: pd.DataFrame, spectrum: pd.DataFrame) -> Figure:
    """Plot the distances of all frames from the neutral, a panel per attribute, and the spectrum of all attributes."""
    figure, axes = panels(2, 4, width=3.9, height=3.2)
    recipes = list(dict.fromkeys(coherence["recipe"]))
    for ax, (attribute, unit) in zip(axes.flat, DISTANCES.items(), strict=False):
        for recipe, color in zip(recipes, COLORS, strict=False):
            rows = coherence[(coherence["recipe"] == recipe) & (coherence["attribute"] == attribute)]
            x = np.arange(len(rows))
            ax.fill_between(x, rows["median"], rows["p95"], color=color, alpha=0.2, linewidth=0)
            ax.plot(x, rows["median"], color=color, marker="o" if len(x) < 3 else None, label=recipe)
            starts = np.flatnonzero(~rows["expression"].duplicated().to_numpy())
            names = rows["expression"].iloc[starts].str.split("_").str[0]
            every = -(-len(starts) // 12)
            ax.set_xticks(starts[::every], names[::every], rotation=90, fontsize=7)
        ax.set_ylim(bottom=0)
        ax.set_title(attribute)
        ax.set_ylabel(f"from the neutral ({unit})")
    for ax, title in ((axes[1, 2], "PCA of all attributes"), (axes[1, 3], "PCA of each attribute")):
        ax.set_ylim(0, 102)
        ax.set_title(title)
        ax.set_xlabel("components")
        ax.set_ylabel("variance explained (%)")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax = axes[1, 2]
    for recipe, color, marker in zip(recipes, COLORS, MARKERS, strict=False):
        rows = spectrum[(spectrum["recipe"] == recipe) & (spectrum["attribute"] == "all")]
        ax.plot(rows["k"], 100 * rows["explained"], color=color, marker=marker, markersize=3, label=recipe)
    for recipe, rows in _by_recipe(spectrum):
        for name, color, marker in zip(SPECTRA, COLORS, MARKERS, strict=False):
            own = rows[rows["attribute"] == name]
            line = "-" if recipe == recipes[0] else "--"
            label = name if len(recipes) == 1 else f"{name}, {recipe}"
            axes[1, 3].plot(
                own["k"], 100 * own["explained"], line, color=color, marker=marker, markersize=3, label=label
            )
    axes[1, 3].legend(fontsize=7, loc="lower right")
    if len(recipes) > 1:
        ax.legend(loc="lower right")
        axes[0, 0].legend(loc="upper left")
    return figure


def _by_recipe(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for recipe in dict.fromkeys(table["recipe"]):
        yield recipe, table[table["recipe"] == recipe]


def summarized(coherence: pd.DataFrame, spectrum: pd.DataFrame, psnr: Mapping[str, float]) -> pd.DataFrame:
    """Return one row per recipe: held-out PSNR (dB), mean distances, variance explained by few components."""
    rows = []
    for recipe, group in _by_recipe(coherence):
        row: dict[str, object] = {"recipe": recipe, "psnr": psnr[recipe]}
        row |= {
            f"{name} ({unit})": group[group["attribute"] == name]["median"].mean() for name, unit in DISTANCES.items()
        }
        together = spectrum[(spectrum["recipe"] == recipe) & (spectrum["attribute"] == "all")].set_index("k")[
            "explained"
        ]
        row |= {f"explained by {k}": together[k] for k in (1, 3, 5) if k in together.index}
        rows.append(row)
    return pd.DataFrame(rows)
