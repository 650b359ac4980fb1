"""Key results, and the main table with all methods side by side."""

from dataclasses import dataclass, field
from typing import get_args

import numpy as np
import pandas as pd

from splatrig.components.labels import label_of
from splatrig.config.choices import LearnedFamily
from splatrig.dataset.regions import REGIONS
from splatrig.evaluation.images import FITS
from splatrig.evaluation.table import pick
from splatrig.evaluation.text_tables import fixed, show
from splatrig.evaluation.truth import FOUND, count_found

COMPARISON_COLUMNS = ("quantity", "unit", "method", "level", "value", "low", "high", "n", "text")
"""Columns of `comparison.csv`: one value per row; `text` is the cell of the table for readers, words included."""


@dataclass(frozen=True)
class Quantity:
    """One row of the main table."""

    title: str
    unit: str
    metric: str
    where: dict[str, str] = field(default_factory=dict)
    interval: bool = False
    """Whether to show the 95 % confidence interval."""
    scale: float = 1.0
    digits: int = 3
    """Number of significant digits to show."""

    def say(self, value: float, low: float, high: float) -> str:
        """Return the value for readers, with its interval where it has one."""
        text = fixed(value, self.digits)
        if not self.interval or not np.isfinite(low):
            return text
        return f"{text} [{fixed(low, self.digits)}, {fixed(high, self.digits)}]"


def _by_region(frames: str, split: str) -> tuple[Quantity, ...]:
    """Return the rows of pooled PSNR by region."""
    return tuple(
        Quantity(
            f"images, {frames}, pooled PSNR, {region}",
            "dB",
            "image_pooled_psnr",
            {"region": region, "split": split},
            interval=True,
            digits=4,
        )
        for region in REGIONS
    )


LEARNED = tuple(f"learned_{family}" for family in get_args(LearnedFamily))
HEAD_TRAIN = {"region": "head", "split": "train"}
QUANTITIES = (
    Quantity("learned on", "Gaussians", "gaussians"),
    Quantity("rebuilt frames, centers of the head, RMSE", "mm", "rmse_xyz", HEAD_TRAIN),
    Quantity("rebuilt frames, centers of the face, RMSE", "mm", "rmse_xyz", {"region": "face", "split": "train"}),
    Quantity("rebuilt frames, distance from the surface, RMS", "mm", "surface_xyz", {"split": "train"}),
    Quantity("rebuilt frames, color, RMSE", "rgb", "rmse_f_dc", HEAD_TRAIN),
    Quantity("rebuilt frames, rotation, RMSE", "degree", "rmse_rotation", HEAD_TRAIN),
    Quantity("rebuilt frames, size, RMSE", "ln mm", "rmse_scale", HEAD_TRAIN),
    Quantity("displacement explained", "%", "explained_xyz", {"split": "train"}, scale=100.0),
    Quantity("images, held-out cameras, PSNR", "dB", "image_psnr", {"split": "train"}, interval=True, digits=4),
    Quantity("the same, Gaussians not following the skin", "dB", "unfollowed_psnr", interval=True, digits=4),
    Quantity("the same, driven by the true weights", "dB", "driven_psnr", interval=True, digits=4),
    Quantity("images, held-out cameras, SSIM", "0 to 1", "image_ssim", {"split": "train"}),
    Quantity("images, held-out cameras, LPIPS", "distance", "image_lpips", {"split": "train"}),
    *_by_region("held-out cameras", "train"),
    Quantity("images, held-out expressions, PSNR", "dB", "image_psnr", {"split": "held_out"}, interval=True, digits=4),
    *_by_region("held-out expressions", "held_out"),
    Quantity("expressions left out, centers, RMSE", "mm", "generalization_xyz", {"region": "head"}, interval=True),
    Quantity("expressions left out, distance from the surface", "mm", "generalization_surface", interval=True),
    Quantity("expressions left out, images, PSNR", "dB", "generalization_psnr", interval=True, digits=4),
    Quantity("the same, above PCA, weights from photographs", "dB", "generalization_psnr_gain", interval=True),
    Quantity("random faces, centers, RMSE", "mm", "specificity_xyz", interval=True),
    Quantity("random faces, distance from the surface", "mm", "specificity_surface", interval=True),
    Quantity("random faces, images, PSNR", "dB", "specificity_psnr", interval=True, digits=4),
    Quantity("rows of zeros", "%", "zero_rows", scale=100.0),
    Quantity("Hoyer sparsity", "0 to 1", "hoyer"),
    Quantity("support radius", "mm", "support_radius"),
    Quantity("largest step over an edge", "% of peak", "jump", scale=100.0),
)


def last_k(table: pd.DataFrame, metric: str, method: str, **where: object) -> pd.Series | None:
    """Return the row of the largest k for one metric of one method, or None."""
    rows = pick(table, metric, method=method, **where)
    return None if rows.empty else rows.sort_values("k").iloc[-1]


def key_numbers(
    fit_summary: pd.DataFrame, methods: pd.DataFrame, sweeps: pd.DataFrame, truth: pd.DataFrame | None
) -> pd.DataFrame:
    """Return the five key results that were measured: question, value, unit, low, high, n, how."""
    rows = [
        _of_fits(fit_summary),
        _of_learned_rigs(methods),
        _of_local_components(methods),
        _of_unseen_expressions(sweeps),
        None if truth is None else _of_truth(truth),
    ]
    table = pd.DataFrame(
        [row for row in rows if row is not None], columns=["question", "value", "unit", "low", "high", "n", "how"]
    )
    return table.astype({"n": int})


def headline(numbers: pd.DataFrame, measured_on: str) -> pd.DataFrame:
    """Return the measured values and `key_numbers` for a first screen, in two columns: question and answer."""
    answers = []
    for row in numbers.to_dict("records"):
        bounds = f" [{row['low']:.4g}, {row['high']:.4g}]" if np.isfinite(row["low"]) else ""
        answers.append(f"{row['value']:.4g} {row['unit']}{bounds}, n = {row['n']:,}: {row['how']}")
    questions = ["What was measured?", *numbers["question"]]
    return pd.DataFrame({"question": questions, "answer": [measured_on, *answers]})


def what_was_measured(fit: pd.DataFrame, methods: pd.DataFrame) -> str:
    """Return in words how many frames, cameras and Gaussians there are, from `fit.csv` and `methods.csv`."""
    frames = len(fit[["expression", "frame"]].drop_duplicates())
    cameras = fit.groupby("split")["camera"].nunique()
    sizes = pick(methods, "gaussians")["value"]
    gaussians = f", {sizes.max():,.0f} Gaussians" if len(sizes) else ""
    return (
        f"{_counted(frames, 'frame')} of {_counted(fit['expression'].nunique(), 'expression')} from "
        f"{_counted(cameras.get('train', 0), 'training camera')} and "
        f"{_counted(cameras.get('held_out', 0), 'held-out camera')}{gaussians}"
    )


def _counted(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"


def _answer(question: str, row: pd.Series, unit: str, how: str) -> dict[str, object]:
    bounds = {"low": row["low"], "high": row["high"]}
    return {"question": question, "value": row["value"], "unit": unit, **bounds, "n": row["n"], "how": how}


def cameras_held_out(fit_summary: pd.DataFrame) -> bool:
    """Return whether any camera is held out, so that images are of cameras that were not trained on."""
    return bool((fit_summary["split"] == "held_out").any())


def _of_fits(fit_summary: pd.DataFrame) -> dict[str, object] | None:
    unseen = cameras_held_out(fit_summary)
    split = "held_out" if unseen else "train"
    seen = fit_summary[(fit_summary["split"] == split) & (fit_summary["region"] == "mask")]
    found = {metric: seen[seen["metric"] == metric] for metric in ("psnr", "ssim")}
    if found["psnr"].empty:
        return None
    similarity = "" if found["ssim"].empty else f"; SSIM {found['ssim']['value'].iloc[0]:.3f}"
    cameras = "cameras that they never saw" if unseen else "the cameras that they were fitted to"
    return _answer(
        f"How close are frames fitted one by one to photographs of {cameras}?",
        found["psnr"].iloc[0],
        "dB",
        f"PSNR inside the silhouette, mean over frames{similarity}",
    )


def _of_learned_rigs(methods: pd.DataFrame) -> dict[str, object] | None:
    """Return the result of the best rig learned through the rasterizer, with its competitors in the same images."""
    found = {
        name: row
        for name in (*LEARNED, "pca_all", FITS)
        if (row := last_k(methods, "image_psnr", name, split="train")) is not None
    }
    learned = [name for name in LEARNED if name in found]
    if not learned:
        return None
    best = max(learned, key=lambda name: found[name]["value"])
    others = "; ".join(f"{label_of(name)} {row['value']:.2f} dB" for name, row in found.items() if name != best)
    return _answer(
        f"How close is one rig of {_counted(found[best]['k'], 'component')}, learned through the rasterizer "
        f"({label_of(best)})?",
        found[best],
        "dB",
        f"the same over the peak frame of every expression; in the same images {others}",
    )


def _of_local_components(methods: pd.DataFrame) -> dict[str, object] | None:
    row = last_k(methods, "rmse_xyz", "sldc_gauss_xyz", region="head", split="train")
    if row is None:
        return None
    zero, dense = last_k(methods, "zero_rows", "sldc_gauss_xyz"), last_k(methods, "rmse_xyz", "pca_xyz", **HEAD_TRAIN)
    sparse = "" if zero is None else f"; {100 * zero['value']:.0f} % of their rows are zero"
    beside = "" if dense is None else f"; {label_of('pca_xyz')}, which has none, {dense['value']:.3g} mm"
    return _answer(
        f"How well are the fitted frames rebuilt by {_counted(row['k'], 'component')} of {label_of('sldc_gauss_xyz')}?",
        row,
        "mm",
        f"RMSE of Gaussian centers{sparse}{beside}",
    )


def _of_unseen_expressions(sweeps: pd.DataFrame) -> dict[str, object] | None:
    unseen, dense = (
        last_k(sweeps, "generalization_xyz", method, region="head", sweep="left_out")
        for method in ("sldc_gauss_xyz", "pca_xyz")
    )
    if unseen is None:
        return None
    beside = "" if dense is None else f"; {label_of('pca_xyz')} {dense['value']:.3g} mm"
    return _answer(
        f"How well is an expression rebuilt by {unseen['k']} of them that were learned without it?",
        unseen,
        "mm",
        f"RMSE of centers at level {unseen['level']}, one expression left out, mean over expressions{beside}",
    )


def _of_truth(truth: pd.DataFrame) -> dict[str, object] | None:
    local = truth[truth["method"] == "sldc_gauss_xyz"]
    if local.empty:
        return None
    components = local.loc[local["component"] >= 0, "component"].nunique()
    own = [(name, truth[truth["method"] == name]) for name in ("learned_local", "learned_arkit")]
    beside = "".join(f"; {label_of(name)} {count_found(table)}" for name, table in own if len(table))
    row = pd.Series({"value": count_found(local), "low": np.nan, "high": np.nan, "n": len(local)})
    how = f"have a component of their own, of {components}, that follows them (r ≥ {FOUND:g}){beside}"
    return _answer("Do local components find the face units that made the demo?", row, f"of {len(local)} units", how)


def comparison(
    methods: pd.DataFrame,
    sweeps: pd.DataFrame,
    runtimes: pd.DataFrame,
    truth: pd.DataFrame | None,
    *,
    unseen: bool = True,
) -> pd.DataFrame:
    """Return the main table with `COMPARISON_COLUMNS`: every quantity of every method at its largest k.

    Errors on left-out expressions are those of components learned again at the level of the sweeps, where available.

    Args:
        methods: Content of `methods.csv`.
        sweeps: Content of `sweeps.csv`.
        runtimes: Content of `runtimes.csv`.
        truth: Recovered face units of the demo; None for other captures.
        unseen: Whether cameras are held out; otherwise images are labeled as those of training cameras.
    """
    anew = sweeps[sweeps["sweep"] == "left_out"]
    rows: list[tuple[object, ...]] = []
    for (name, level), group in methods.groupby(["method", "level"], sort=False):
        method = str(name)
        told, sizes = (method, level), pick(group, "compactness")["k"]
        if sizes.empty and method != FITS:
            continue  # images of components learned again at another level are added below
        if len(sizes):
            k = int(sizes.max())
            rows.append(("components k", "", *told, k, np.nan, np.nan, 1, str(k)))
        others = methods[(methods["method"] == method) & (methods["split"] == "left_out")]
        group = group if method.startswith("upsampled") else pd.concat([others, group], ignore_index=True)
        for quantity in QUANTITIES:
            found = last_k(anew, quantity.metric, method, **quantity.where)
            found = last_k(group, quantity.metric, method, **quantity.where) if found is None else found
            if found is not None:
                value, low, high = (quantity.scale * float(found[key]) for key in ("value", "low", "high"))
                said = quantity.say(value, low, high)
                rows.append((quantity.title, quantity.unit, *told, value, low, high, int(found["n"]), said))
        if truth is not None:
            own = truth[(truth["method"] == method) & (truth["level"] == level)]
            if len(own):
                count = count_found(own)
                rows.append(
                    (f"face units found (of {len(own)})", "", *told, count, np.nan, np.nan, len(own), str(count))
                )
        rows += [(*row[:2], *told, *row[2:]) for row in _run(group, runtimes, method, str(level))]
    table = _in_order(pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS)))
    return table if unseen else table.replace({"quantity": {"held-out cameras": "training cameras"}}, regex=True)


def _run(group: pd.DataFrame, runtimes: pd.DataFrame, method: str, level: str) -> list[tuple[object, ...]]:
    """Return (quantity, unit, value, low, high, n, text) of convergence and run times of one method."""
    rows: list[tuple[object, ...]] = []
    flag, steps = last_k(group, "converged", method), last_k(group, "iterations", method)
    taken = "" if steps is None else f" ({steps['value']:.0f} iterations)"
    if flag is not None:
        text = f"yes{taken}" if flag["value"] > 0 else f"NO{taken}"
        rows.append(("converged", "", flag["value"], np.nan, np.nan, 1, text))
    elif method.startswith(("pca_", "upsampled_")):
        rows.append(("converged", "", 1.0, np.nan, np.nan, 1, "closed form"))
    own = runtimes[runtimes["method"] == method]
    jobs = own[(own["what"] == "job") & (own["level"] == level)]
    if len(jobs):
        seconds = float(jobs["seconds"].sum())
        rows.append(("run time, whole job", "s", seconds, np.nan, np.nan, len(jobs), show(seconds)))
    learned = own[(own["what"] == "learning") & (own["k"] == own["k"].max())]
    if len(learned):
        seconds = float(learned["seconds"].median())
        title = f"run time, learning at {learned['level'].iloc[0]}, median"
        rows.append((title, "s", seconds, np.nan, np.nan, len(learned), show(seconds)))
    return rows


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows sorted by quantity, in the order of the main table; the order of methods is kept."""
    first = ["components k", *(quantity.title for quantity in QUANTITIES)]
    others = [title for title in dict.fromkeys(table["quantity"]) if title not in first]
    rank = {title: place for place, title in enumerate([*first, *others])}
    return table.sort_values("quantity", key=lambda titles: titles.map(rank), kind="stable", ignore_index=True)


def side_by_side(table: pd.DataFrame) -> pd.DataFrame:
    """Return the main table for readers: one row per quantity with unit and sample count, one column per method.

    Where methods differ in their sample counts (they are learned at other levels), the smallest and largest are given.
    """
    levels = table.groupby("method", sort=False)["level"].nunique()
    wide: dict[str, dict[str, str]] = {}
    columns: dict[str, None] = {}
    for row in table.itertuples(index=False):
        name = label_of(str(row.method))
        name += f" from {row.level}" if levels[str(row.method)] > 1 or str(row.method).startswith("upsampled") else ""
        columns[name] = None
        wide.setdefault(str(row.quantity), {"unit": str(row.unit)})[name] = str(row.text)
    counts = {str(title): sorted(set(rows["n"])) for title, rows in table.groupby("quantity")}
    lines = []
    for quantity, cells in wide.items():
        low, high = counts[quantity][0], counts[quantity][-1]
        n = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        lines.append([quantity, cells["unit"], n, *(cells.get(name, "") for name in columns)])
    return pd.DataFrame(lines, columns=["quantity", "unit", "n", *columns])


def remarks(fit_summary: pd.DataFrame, table: pd.DataFrame) -> str:
    """Return notes on the main table: methods that did not converge, metrics that could not be measured."""
    said = []
    if not cameras_held_out(fit_summary):
        said.append("No camera is held out: images are of the cameras that frames and rigs were fitted to.")
    stuck = table[(table["quantity"] == "converged") & (table["value"] == 0)]
    if len(stuck):
        said.append(f"Did not converge: {', '.join(label_of(name) for name in stuck['method'])}.")
    perceptual = fit_summary[fit_summary["metric"] == "lpips"]
    if perceptual.empty or (perceptual["n"] == 0).all():
        said.append("LPIPS was not measured: torchvision or its AlexNet weights are not installed on this machine.")
    return " ".join(said)
