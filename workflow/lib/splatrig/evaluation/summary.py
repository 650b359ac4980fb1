"""The numbers that matter, as a table, as HTML and as Markdown."""

import html
from pathlib import Path

import numpy as np
import pandas as pd

from splatrig.evaluation.table import label_of, pick
from splatrig.evaluation.truth import FOUND, count_found
from splatrig.files import atomic_path

HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem; color: #202020; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .45rem .7rem; border-bottom: 1px solid #d8d8d8; vertical-align: top; }}
th {{ border-bottom: 2px solid #202020; }}
td.number {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }}
tr:hover td {{ background: #f4f7fb; }}
</style></head><body>
"""


def last_k(table: pd.DataFrame, metric: str, method: str, **where: object) -> pd.Series | None:
    """Return the row of the largest k of one metric of one method, or None."""
    rows = pick(table, metric, method=method, **where)
    return None if rows.empty else rows.sort_values("k").iloc[-1]


def key_numbers(
    fit_summary: pd.DataFrame, methods: pd.DataFrame, sweeps: pd.DataFrame, truth: pd.DataFrame | None
) -> pd.DataFrame:
    """Return the numbers that matter: question, answer, value, unit, low, high, n."""
    rows: list[dict[str, object]] = []

    def add(question: str, row: pd.Series | None, unit: str, note: str) -> None:
        if row is not None:
            bounds = {"low": row["low"], "high": row["high"]}
            rows.append(
                {"question": question, "value": row["value"], "unit": unit, **bounds, "n": row["n"], "how": note}
            )

    seen = fit_summary[(fit_summary["split"] == "held_out") & (fit_summary["region"] == "mask")]
    found = {metric: seen[seen["metric"] == metric] for metric in ("psnr", "ssim")}
    if not found["psnr"].empty:
        similarity = "" if found["ssim"].empty else f"; SSIM {found['ssim']['value'].iloc[0]:.3f}"
        add(
            "How close are the fitted heads to photographs of cameras that they never saw?",
            found["psnr"].iloc[0],
            "dB",
            f"PSNR inside the silhouette, mean over frames{similarity}",
        )
    for method in ("pca_all", "sldc_gauss_xyz"):
        row = last_k(methods, "rmse_xyz", method, region="head", split="train")
        zero = last_k(methods, "zero_rows", method)
        if row is not None:
            sparse = "" if zero is None or zero["value"] < 0.005 else f", {100 * zero['value']:.0f} % of rows zero"
            add(
                f"How well do {row['k']} components of {label_of(method)} rebuild the frames?",
                row,
                "mm",
                f"RMSE of Gaussian centres{sparse}",
            )
    unseen, cog = (
        last_k(sweeps, "generalisation_xyz", method, region="head", sweep="left_out")
        for method in ("sldc_gauss_xyz", "pca_xyz")
    )
    if unseen is not None:
        beside = "" if cog is None else f"; {label_of('pca_xyz')} {cog['value']:.3g} mm"
        add(
            f"How well do {unseen['k']} components of {label_of('sldc_gauss_xyz')} make an expression never seen?",
            unseen,
            "mm",
            f"RMSE of centres at level {unseen['level']}, one expression left out, mean over expressions{beside}",
        )
    if truth is not None and not truth.empty:
        local = truth[truth["method"] == "sldc_gauss_xyz"]
        if not local.empty:
            components = local.loc[local["component"] >= 0, "component"].nunique()
            series = pd.Series({"value": count_found(local), "low": np.nan, "high": np.nan, "n": len(local)})
            add(
                "Do local components find the face units that made the demo?",
                series,
                f"of {len(local)} units",
                f"have a component of their own, of {components}, that follows them (r ≥ {FOUND:g})",
            )
    table = pd.DataFrame(rows, columns=["question", "value", "unit", "low", "high", "n", "how"])
    return table.astype({"n": int})


def comparison(methods: pd.DataFrame, sweeps: pd.DataFrame, truth: pd.DataFrame | None) -> pd.DataFrame:
    """Return the main table: one row a method at its largest k, one column a quantity with its unit.

    The error on left-out expressions is that of the components learned anew, at the level of the sweeps.
    """
    wanted: tuple[tuple[str, str, dict[str, str]], ...] = (
        ("RMSE, head (mm)", "rmse_xyz", {"region": "head", "split": "train"}),
        ("RMSE, face (mm)", "rmse_xyz", {"region": "face", "split": "train"}),
        ("explained (0 to 1)", "compactness", {"split": "train"}),
        ("specificity (mm)", "specificity_xyz", {}),
        ("PSNR (dB)", "image_psnr", {"split": "train"}),
        ("SSIM (0 to 1)", "image_ssim", {"split": "train"}),
        ("zero rows (0 to 1)", "zero_rows", {}),
        ("Hoyer (0 to 1)", "hoyer", {}),
        ("support (mm)", "support_radius", {}),
        ("jump (of peak)", "jump", {}),
        ("converged (1 yes)", "converged", {}),
    )
    rows = []
    for (method, level), group in methods.groupby(["method", "level"], sort=False):
        row: dict[str, object] = {"method": label_of(str(method)), "level": level, "k": int(group["k"].max())}
        for title, metric, where in wanted:
            found = last_k(group, metric, str(method), **where)
            row[title] = np.nan if found is None else found["value"]
        left_out = last_k(sweeps, "generalisation_xyz", str(method), region="head", sweep="left_out")
        row["RMSE, left out (mm)"] = np.nan if left_out is None else left_out["value"]
        if truth is not None:
            own = truth[(truth["method"] == method) & (truth["level"] == level)]
            row[f"units found (of {truth['unit'].nunique()})"] = count_found(own) if len(own) else np.nan
        rows.append(row)
    return pd.DataFrame(rows).dropna(axis=1, how="all")


def show(value: object) -> str:
    """Return a number with three significant digits, text as it is, nothing for an absent number."""
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.3g}"
    return str(value)


def write_html(path: str | Path, title: str, table: pd.DataFrame, note: str = "") -> None:
    """Write a table as one HTML page that needs no other file."""
    head = "".join(f"<th>{html.escape(str(column))}</th>" for column in table.columns)
    body = []
    for _, row in table.iterrows():
        cells = []
        for value in row:
            number = isinstance(value, (int, float, np.integer, np.floating))
            text = show(float(value) if isinstance(value, np.floating) else value)
            cells.append(f'<td class="number">{text}</td>' if number else f"<td>{html.escape(text)}</td>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    page = HEAD.format(title=html.escape(title)) + f"<h1>{html.escape(title)}</h1>\n"
    if note:
        page += f"<p>{html.escape(note)}</p>\n"
    page += (
        f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(body) + "\n</tbody></table>\n</body></html>\n"
    )
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def write_markdown(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table as Markdown, numbers aligned to the right."""
    numeric = [pd.api.types.is_numeric_dtype(table[column]) for column in table.columns]
    lines = [
        "| " + " | ".join(str(column) for column in table.columns) + " |",
        "|" + "|".join(" ---: " if number else " --- " for number in numeric) + "|",
    ]
    for _, row in table.iterrows():
        cells = [show(float(value) if isinstance(value, np.floating) else value) for value in row]
        lines.append("| " + " | ".join(cells) + " |")
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_latex(path: str | Path, table: pd.DataFrame, caption: str) -> None:
    """Write a table as a LaTeX `table` with booktabs rules, numbers aligned to the right."""
    numeric = [pd.api.types.is_numeric_dtype(table[column]) for column in table.columns]
    lines = [
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{_escape_latex(caption)}}}",
        f"\\begin{{tabular}}{{{''.join('r' if number else 'l' for number in numeric)}}}",
        "\\toprule",
        " & ".join(_escape_latex(str(column)) for column in table.columns) + r" \\",
        "\\midrule",
    ]
    for _, row in table.iterrows():
        cells = [_escape_latex(show(float(value) if isinstance(value, np.floating) else value)) for value in row]
        lines.append(" & ".join(cells) + r" \\")
    lines += ["\\bottomrule", "\\end{tabular}", "\\end{table}"]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _escape_latex(text: str) -> str:
    for character in "&%$#_{}":
        text = text.replace(character, "\\" + character)
    return text
