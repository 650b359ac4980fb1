"""Tables for readers: HTML, Markdown and LaTeX."""

import html
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from splatrig.io.files import write_text

HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; color: #202020; }}
table {{ border-collapse: collapse; width: 100%; font-size: .9rem; line-height: 1.35; }}
th, td {{ text-align: left; padding: .4rem .55rem; border-bottom: 1px solid #d8d8d8; vertical-align: top; }}
th {{ border-bottom: 2px solid #202020; }}
td.number {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }}
th:first-child, td:first-child {{ position: sticky; left: 0; min-width: 15rem; background: #fff; }}
tr:hover td {{ background: #f4f7fb; }}
</style></head><body>
"""


def show(value: object) -> str:
    """Return a number with three significant digits, text unchanged, and an empty string for a missing value."""
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.3g}"
    return str(value)


def fixed(value: float, digits: int) -> str:
    """Return a number with `digits` significant digits, with trailing zeros and thousands separators; 0 stays 0."""
    text = f"{value:#.{digits}g}" if value else "0"
    return f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else text.rstrip(".")


def write_html(
    path: str | Path,
    title: str,
    table: pd.DataFrame,
    note: str = "",
    more: Mapping[str, pd.DataFrame] | None = None,
    below: str = "",
    above: str = "",
) -> None:
    """Write a table as one self-contained HTML page, with the tables `more` below it under their headings.

    `above` is HTML between the title and the note, `below` for the end of the page.
    """
    page = HEAD.format(title=html.escape(title)) + f"<h1>{html.escape(title)}</h1>\n{above}"
    if note:
        page += f"<p>{html.escape(note)}</p>\n"
    page += _html_table(table)
    for heading, other in (more or {}).items():
        page += f"<h2>{html.escape(heading)}</h2>\n{_html_table(other)}"
    write_text(path, page + below + "</body></html>\n")


def _html_table(table: pd.DataFrame) -> str:
    head = "".join(f"<th>{html.escape(str(column))}</th>" for column in table.columns)
    body = []
    for _, row in table.iterrows():
        cells = []
        for value in row:
            number = isinstance(value, (int, float, np.integer, np.floating))
            cells.append(f'<td class="number">{show(value)}</td>' if number else f"<td>{html.escape(show(value))}</td>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(body) + "\n</tbody></table>\n"


def write_markdown(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table as Markdown, numbers aligned to the right."""
    numeric = [pd.api.types.is_numeric_dtype(table[column]) for column in table.columns]
    lines = [
        "| " + " | ".join(str(column) for column in table.columns) + " |",
        "|" + "|".join(" ---: " if number else " --- " for number in numeric) + "|",
    ]
    for _, row in table.iterrows():
        cells = [show(value) for value in row]
        lines.append("| " + " | ".join(cells) + " |")
    write_text(path, "\n".join(lines) + "\n")


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
        cells = [_escape_latex(show(value)) for value in row]
        lines.append(" & ".join(cells) + r" \\")
    lines += ["\\bottomrule", "\\end{tabular}", "\\end{table}"]
    write_text(path, "\n".join(lines) + "\n")


def _escape_latex(text: str) -> str:
    for character in "&%$#_{}":
        text = text.replace(character, "\\" + character)
    return text
