"""Figures drawn from the tables only: matplotlib, colors of Okabe & Ito (2008), units on every axis."""

from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from splatrig.components.labels import label_of
from splatrig.dataset.regions import REGIONS
from splatrig.evaluation.regions import SHOWN
from splatrig.evaluation.table import pick
from splatrig.io.files import atomic_path

P = ParamSpec("P")

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#882255")
"""Okabe-Ito colors and Paul Tol's wine, distinguishable with every kind of color vision."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
OTHER_MARKERS = ("H", "<", ">", "h", "p", "8")
ORDER = (
    *("pca_all", "pca_xyz", "sldc_gauss_xyz", "sldc_trapezoid_xyz", "mbspca_xyz"),
    *("learned_global", "learned_local", "learned_arkit"),
)
"""Order of the methods: each keeps its color and marker whichever others are in the table."""

STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "legend.frameon": False,
    "figure.dpi": 130,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
}

APART = 0.03
"""Horizontal offset, as a fraction of k, between methods that were measured at a single k."""

ATTRIBUTE_TITLES = {
    "xyz": "center",
    "f_dc": "color",
    "rotation": "rotation",
    "scale": "size",
}


def look_of(method: str) -> dict[str, object]:
    """Return color and marker of a method; those outside `ORDER` are gray, distinguished by the marker."""
    if method not in ORDER:
        return {"color": "#666666", "marker": OTHER_MARKERS[sum(method.encode()) % len(OTHER_MARKERS)]}
    index = ORDER.index(method)
    return {"color": COLORS[index], "marker": MARKERS[index]}


def in_order(methods: Iterable[str]) -> list[str]:
    """Return the methods that have a curve of their own: those of `ORDER`, then all others by name.

    Per-frame fits, which are the reference, and methods upsampled from coarse levels have no curve.
    """
    there = {name for name in methods if name != "fits" and not name.startswith("upsampled_")}
    return [name for name in ORDER if name in there] + sorted(there - set(ORDER))


def save(path: str | Path, figure: Figure) -> None:
    """Write a figure as PNG without a time stamp, so that equal figures are equal files."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", bbox_inches="tight", metadata={"Software": None})


def panels(rows: int, columns: int, *, width: float = 5.0, height: float = 3.6) -> tuple[Figure, np.ndarray]:
    """Return a figure of `rows` × `columns` axes, each `width` × `height` inches."""
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorate a drawing function to use the house style without changing matplotlib's global settings."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return drawn


def curve(axes: Axes, rows: pd.DataFrame, *, count: bool = False, **style: object) -> None:
    """Plot value against k, with the confidence interval as a band, or as a bar for a single point.

    With `count`, a single point is annotated with its number of samples.
    """
    ordered = rows.sort_values("k")
    style.setdefault("markevery", max(1, len(ordered) // 8))
    axes.plot(ordered["k"], ordered["value"], **style)  # type: ignore[arg-type]
    bounded, color = ordered.dropna(subset=["low", "high"]), str(style["color"])
    if len(ordered) == 1:
        axes.vlines(bounded["k"], bounded["low"], bounded["high"], color=color, linewidth=1.2)
        for k, value, n in bounded[["k", "value", "n"]].to_numpy().tolist() if count else ():
            look: Any = {"xytext": (-6, 0), "textcoords": "offset points", "ha": "right", "va": "center", "fontsize": 8}
            axes.annotate(f"n = {n:.0f}", (k, value), color=color, **look)
    elif not bounded.empty:
        axes.fill_between(bounded["k"], bounded["low"], bounded["high"], color=color, alpha=0.1, linewidth=0)


def method_curves(
    axes: Axes, table: pd.DataFrame, metric: str, *, unit: str, title: str, scale: float = 1.0, **where: object
) -> None:
    """Plot one curve per method of `metric` against the number of components."""
    rows = pick(table, metric, **where)
    rows = rows.assign(**{column: rows[column] * scale for column in ("value", "low", "high")})
    methods = in_order(rows["method"])
    one_k = len(set(rows.loc[rows["method"].isin(methods), "k"])) == 1
    for place, method in enumerate(methods):
        own = rows[rows["method"] == method]
        if one_k:  # offset horizontally, or their bars would hide each other
            own = own.assign(k=own["k"] * (1 + APART * (place - (len(methods) - 1) / 2)))
        curve(axes, own, label=label_of(method), count=not one_k, **look_of(method))
    if title:
        axes.set_title(title, loc="left", fontsize=10.5, fontweight="bold")
    axes.set_ylabel(unit)
    against_k(axes, rows["k"])
    if rows.empty:
        say_absent(axes, "not measured")


def against_k(axes: Axes, ks: "pd.Series[int]") -> None:
    """Make the horizontal axis count components from zero to the largest of `ks`, in whole numbers."""
    axes.set_xlabel("components k")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlim(0.0, 1.1 * max(ks, default=1))


def say_absent(axes: Axes, why: str) -> None:
    """Write into empty axes why there is nothing to show, and remove the scale."""
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", color="#777777")
    axes.set_xticks([])
    axes.set_yticks([])


def from_zero(axes: Axes, *, vertical: bool = True) -> None:
    """Start the value axis at zero, with room above the largest value; markers at zero are not clipped."""
    limits = axes.dataLim
    largest = limits.y1 if vertical else limits.x1
    end = 1.08 * largest if np.isfinite(largest) and largest > 0 else 1.0
    (axes.set_ylim if vertical else axes.set_xlim)(0.0, end)
    smallest = limits.y0 if vertical else limits.x0
    for line in axes.lines if smallest >= 0 else ():
        line.set_clip_on(False)


def shared_legend(figure: Figure, axes: np.ndarray, columns: int = 4) -> None:
    """Add one legend for all `axes` below the figure."""
    entries: dict[str, Any] = {}
    for ax in axes.flat:
        handles, labels = ax.get_legend_handles_labels()
        entries.update(zip(labels, handles, strict=True))
    if entries:
        figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=columns, frameon=False)


TESTS = (
    ("surface_xyz", "image", "train", "Reconstruction"),
    ("generalization_surface", "generalization", "left_out", "Generalization: expressions left out"),
    ("specificity_surface", "specificity", "train", "Specificity: random faces"),
)
"""Metric in mm, prefix of the image metrics, split of the frames, and title, per test."""


@styled
def draw_reconstruction(methods: pd.DataFrame, sweeps: pd.DataFrame) -> Figure:
    """Plot reconstruction, generalization and specificity against k: on the surface (top) and in images (bottom).

    Left-out expressions are measured with components learned without them (`sweeps`), and with the PCA of all
    attributes.
    """
    figure, axes = panels(2, len(TESTS), width=4.4, height=3.5)
    table = methods[~methods["method"].str.startswith("upsampled")]
    anew = sweeps[sweeps["sweep"] == "left_out"]
    for column, (metric, pictures, split, title) in enumerate(TESTS):
        fitted = table[(table["split"] != "left_out") | ~table["method"].isin(anew["method"])]
        rows = pd.concat([fitted, anew], ignore_index=True) if split == "left_out" else table
        method_curves(axes[0, column], rows, metric, unit="RMS distance from surface (mm)", title=title, split=split)
        method_curves(axes[1, column], table, f"{pictures}_psnr", unit="PSNR (dB)", title="", split=split)
        from_zero(axes[0, column])
    fits = pick(methods, "image_psnr", method="fits", split="train")
    if not fits.empty:
        axes[1, 0].axhline(fits["value"].iloc[0], color="#555555", linestyle=":", label=label_of("fits"))
    shared_legend(figure, axes, 4)
    return figure


@styled
def draw_influence(table: pd.DataFrame) -> Figure:
    """Plot the influence of the components: the fraction of the deviation from the rest face that k of them explain."""
    figure, axes = panels(1, 2)
    table = table[~table["method"].str.startswith("upsampled")]
    for ax, rows, metric, title in (
        (axes[0, 0], table, "explained_xyz", "Displacement of the centers"),
        (axes[0, 1], _beyond_centers(table), "compactness", "All attributes, standardized"),
    ):
        method_curves(ax, rows, metric, unit="explained (%)", title=title, scale=100.0, split="train")
        from_zero(ax)
    shared_legend(figure, axes, 4)
    return figure


def _beyond_centers(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of methods that move more than centers."""
    more = table["metric"].str.startswith("rmse_") & (table["metric"] != "rmse_xyz")
    return table[table["method"].isin(set(table.loc[more, "method"]))]


@styled
def draw_attributes(table: pd.DataFrame) -> Figure:
    """Plot the RMSE of every attribute, in its own unit, against k, for methods that move more than centers."""
    table = table[~table["method"].str.startswith("upsampled")]
    whole = _beyond_centers(table)
    found = [metric.removeprefix("rmse_") for metric in whole["metric"].unique() if metric.startswith("rmse_")]
    names = [*(name for name in ATTRIBUTE_TITLES if name in found), *sorted(set(found) - set(ATTRIBUTE_TITLES))]
    figure, axes = panels(1, max(len(names), 1), width=3.2, height=3.0)
    if not names:
        say_absent(axes[0, 0], "no method moves more than centers")
    for ax, name in zip(axes[0], names, strict=False):
        unit = pick(whole, f"rmse_{name}")["unit"].iloc[0]
        title = ATTRIBUTE_TITLES.get(name, name)
        method_curves(ax, whole, f"rmse_{name}", unit=f"RMSE ({unit})", title=title, region="head", split="train")
        from_zero(ax)
    shared_legend(figure, axes, 4)
    return figure


@styled
def draw_locality(table: pd.DataFrame) -> Figure:
    """Plot the locality of components: zero rows, Hoyer sparsity, support radius, largest step over an edge."""
    quantities = (
        ("zero_rows", "zero rows (%)", 100.0),
        ("hoyer", "Hoyer sparsity (0 to 1)", 1.0),
        ("support_radius", "support radius (mm)", 1.0),
        ("jump", "largest step over an edge (% of peak)", 100.0),
    )
    methods = in_order(table.loc[table["metric"].isin([metric for metric, *_ in quantities]), "method"])
    figure, axes = panels(1, len(quantities), width=3.3, height=0.5 + 0.42 * max(len(methods), 3))
    places = np.arange(len(methods))[::-1]
    for index, (ax, (metric, title, scale)) in enumerate(zip(axes[0], quantities, strict=True)):
        rows = pick(table, metric).set_index("method")
        rows = rows[~rows.index.duplicated()]
        for place, method in zip(places, methods, strict=True):
            if method not in rows.index:
                continue
            row = rows.loc[method]
            ax.plot([row["low"] * scale, row["high"] * scale], [place, place], color="#bbbbbb", linewidth=4, zorder=1)
            ax.plot(row["value"] * scale, place, linestyle="none", markersize=8, zorder=2, **look_of(method))
        ax.set_yticks(places, [label_of(name) for name in methods] if index == 0 else [""] * len(methods))
        ax.set_ylim(-0.6, len(methods) - 0.4)
        ax.set_xlabel(title)
        from_zero(ax, vertical=False)
        ax.grid(axis="y", visible=False)
    return figure


@styled
def draw_images(table: pd.DataFrame) -> Figure:
    """Plot PSNR and SSIM of images from held-out cameras against k, with per-frame fits and driven rigs.

    The first row of panels shows frames that were learned from; a second one held-out expressions, where there are any.
    """
    names = {"train": "frames learned from", "held_out": "expressions held out"}
    table = table[~table["method"].str.startswith("upsampled")]
    found = [split for split in names if not pick(table, "image_psnr", split=split).empty]
    figure, axes = panels(max(len(found), 1), 2)
    for row, split in enumerate(found or ["train"]):
        for ax, metric, unit in ((axes[row, 0], "psnr", "PSNR (dB)"), (axes[row, 1], "ssim", "SSIM (0 to 1)")):
            title = f"{unit.split(' ')[0]}, {names[split]}"
            method_curves(ax, table, f"image_{metric}", unit=unit, title=title, split=split)
            fits = pick(table, f"image_{metric}", method="fits", split=split)
            if not fits.empty:
                ax.axhline(fits["value"].iloc[0], color="#555555", linestyle=":", label=label_of("fits"))
            for row_of in pick(table, f"driven_{metric}", split=split).to_dict("records"):
                text = f"{label_of(row_of['method'])}, driven by the true weights"
                color = look_of(row_of["method"])["color"]
                ax.axhline(row_of["value"], color=color, linestyle="--", linewidth=1.2, label=text)
    shared_legend(figure, axes, 4)
    return figure


@styled
def draw_regions(table: pd.DataFrame) -> Figure:
    """Plot the PSNR by region in images from held-out cameras: one bar per method, at its largest k.

    Errors are pooled over pixels. There is one panel for frames that were learned from, and one each for held-out and
    left-out expressions, where there are any. PSNR has no natural zero, so bars begin below the lowest value.
    """
    rows = {
        title: pick(table, metric, split=split)
        for (metric, split), title in SHOWN.items()
        if not pick(table, metric, split=split).empty
    }
    figure, axes = panels(max(len(rows), 1), 1, width=11.0, height=3.8)
    if not rows:
        say_absent(axes[0, 0], "not measured")
    for ax, (title, found) in zip(axes[:, 0], rows.items(), strict=False):
        methods = [*(["fits"] if "fits" in set(found["method"]) else []), *in_order(found["method"])]
        regions = [name for name in REGIONS if name in set(found["region"])]
        width = 0.84 / max(len(methods), 5)
        for place, method in enumerate(methods):
            own = found[found["method"] == method]
            own = own[own["k"] == own["k"].max()].set_index("region").reindex(regions)
            at = np.arange(len(regions)) + width * (place - (len(methods) - 1) / 2)
            color = "#999999" if method == "fits" else str(look_of(method)["color"])
            ax.bar(at, own["value"], 0.92 * width, color=color, label=label_of(method))
            ax.vlines(at, own["low"], own["high"], color="#777777", linewidth=1.2)
        ax.set_xticks(range(len(regions)), regions)
        ax.grid(visible=False, axis="x")
        ax.set_ylim(bottom=max(0.0, np.floor(found["value"].min()) - 3.0))
        ax.set_ylabel("PSNR, pooled (dB)")
        ax.set_title(title, loc="left", fontsize=10.5, fontweight="bold")
    shared_legend(figure, axes, 4)
    return figure


@styled
def draw_upsampling(table: pd.DataFrame) -> Figure:
    """Plot the error of upsampled coarse components against k, in mm and in dB."""
    figure, axes = panels(1, 2)
    finest = table[table["method"] == "pca_all"]
    carried = table[table["method"] == "upsampled_pca_all"]
    for ax, metric, unit, title in (
        (axes[0, 0], "rmse_xyz", "RMSE of centers (mm)", "Geometry"),
        (axes[0, 1], "image_psnr", "PSNR (dB)", "Images, inside the silhouette"),
    ):
        rows = pick(finest, metric, region="head", split="train")
        curve(ax, rows, label=f"learned on {_size(finest)}", color=COLORS[0], marker="o")
        for place, (_, group) in enumerate(carried.groupby("level", sort=True), start=1):
            rows = pick(group, metric, region="head", split="train")
            curve(ax, rows, label=f"learned on {_size(group)}, upsampled", color=COLORS[place], marker=MARKERS[place])
        ax.set_title(title, loc="left", fontweight="bold", fontsize=10.5)
        ax.set_ylabel(unit)
        against_k(ax, finest["k"])
    from_zero(axes[0, 0])
    shared_legend(figure, axes, 3)
    return figure


def _size(rows: pd.DataFrame) -> str:
    """Return the number of Gaussians that the components of one level were learned on, or the level's name."""
    found = pick(rows, "gaussians")["value"]
    return f"{found.iloc[0]:,.0f} Gaussians" if len(found) else ", ".join(rows["level"].unique())


@styled
def draw_truth(truth: pd.DataFrame) -> Figure:
    """Plot the correlation of every true face unit with its matched component as an annotated matrix, per method.

    Units without a component of their own, since there are fewer components than units, get a dash.
    """
    methods = in_order(truth["method"])
    own = truth.assign(correlation=truth["correlation"].where(truth["component"] >= 0))
    grid = own.set_index(["unit", "method"])["correlation"].unstack()[methods]  # noqa: PD010 (there is nothing to aggregate)
    figure, axes = panels(1, 1, width=1.6 + 1.15 * max(len(methods), 3), height=1.2 + 0.27 * len(grid))
    ax = axes[0, 0]
    ax.set_ylabel("face unit of the synthesized capture")
    if grid.empty:
        say_absent(ax, "no face unit moves in the training frames")
        return figure
    ax.grid(visible=False)
    values = grid.to_numpy(dtype=float)
    image = ax.imshow(values, cmap="cividis", vmin=0.0, vmax=1.0, aspect="auto")
    for row, column in np.ndindex(grid.shape):
        value = float(values[row, column])
        text, ink = ("–", "#777777") if np.isnan(value) else (f"{value:.2f}", "black" if value > 0.55 else "white")
        ax.text(column, row, text, ha="center", va="center", color=ink)
    ax.set_xticks(range(len(methods)), [label_of(name).replace(" (", "\n(") for name in methods], fontsize=8.5)
    ax.set_yticks(range(len(grid)), list(grid.index))
    ax.xaxis.tick_top()
    figure.colorbar(image, ax=ax, label="correlation of weights over frames (0 to 1)", shrink=0.8)
    return figure


@styled
def draw_fit(fit: pd.DataFrame) -> Figure:
    """Plot PSNR and SSIM inside the silhouette per expression, one point per frame, by split of the cameras."""
    figure, axes = panels(1, 2, width=5.2, height=1.0 + 0.27 * fit["expression"].nunique())
    names = list(dict.fromkeys(fit["expression"]))
    places = np.arange(len(names))[::-1]
    inside = fit[fit["region"] == "mask"]
    looks = {
        "train": (COLORS[5], "o", 0.14, "training cameras"),
        "held_out": (COLORS[1], "D", -0.14, "held out"),
    }
    for ax, metric, unit in ((axes[0, 0], "psnr", "PSNR (dB)"), (axes[0, 1], "ssim", "SSIM (0 to 1)")):
        for split, (color, marker, shift, text) in looks.items():
            rows = inside[inside["split"] == split]
            if rows.empty:
                continue
            means = rows[np.isfinite(rows[metric])].groupby(["expression", "frame"], sort=False)[metric].mean()
            heights = [places[names.index(expression)] + shift for expression, _ in means.index]
            ax.plot(
                means.to_numpy(),
                heights,
                linestyle="none",
                marker=marker,
                color=color,
                label=text,
                alpha=0.85,
                markeredgewidth=0,
            )
        ax.set_yticks(places, names if metric == "psnr" else [""] * len(names))
        ax.set_ylim(-0.6, len(names) - 0.4)
        ax.set_xlabel(f"{metric.upper()} inside the silhouette ({unit.split(' (')[1]}")
    shared_legend(figure, axes, 2)
    return figure
