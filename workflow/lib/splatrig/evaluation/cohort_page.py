"""The page of a cohort: a rendering of every subject with links to its results, and the tables over all subjects."""

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from splatrig.evaluation.cohort import NOTE, over_subjects
from splatrig.evaluation.summary import side_by_side
from splatrig.evaluation.text_tables import write_html

STYLE = """<style>
.heads { display: grid; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); gap: 1rem; }
.heads figure { margin: 0; text-align: center; } .heads img, .wide { width: 100%; height: auto; }
.heads a { display: block; } figcaption { font-weight: bold; }
</style>
"""


@dataclass(frozen=True)
class Head:
    """One subject on the page; paths are relative to the page, so that the folder of results can be moved."""

    name: str
    portrait: str
    links: Mapping[str, str]
    """Path by what is written on the link; the first one opens when the rendering is clicked."""


def heads_html(heads: Iterable[Head]) -> str:
    """Return the HTML of a grid of subjects."""
    figures = []
    for head in heads:
        name, portrait = html.escape(head.name), html.escape(head.portrait)
        links = [(html.escape(path), html.escape(text)) for text, path in head.links.items()]
        image = f'<img src="{portrait}" alt="{name}, rendered" loading="lazy">'
        shown = f'<a href="{links[0][0]}">{image}</a>' if links else image
        listed = "".join(f'<a href="{path}">{text}</a>' for path, text in links)
        figures.append(f"<figure>{shown}<figcaption>{name}</figcaption>{listed}</figure>")
    return f'{STYLE}<div class="heads">\n' + "\n".join(figures) + "\n</div>\n"


def write_cohort_page(path: str | Path, heads: Iterable[Head], values: pd.DataFrame, figure: str) -> None:
    """Write the page of a cohort, which loads nothing but the renderings and the figure next to it.

    `values` is the table of `by_subject`; `figure` is the path of what `draw_cohort` makes of it.
    """
    values = values.fillna({"unit": ""})
    shown = heads_html(heads)
    shown += f'<p><img class="wide" src="{html.escape(figure)}" alt="All methods, a dot per subject"></p>\n'
    more = {"By subject": by_subject_wide(values)} if values["subject"].nunique() <= MOST_COLUMNS else {}
    count = values["subject"].nunique()
    write_html(path, f"{count} subjects, all methods", side_by_side(over_subjects(values)), NOTE, more, above=shown)


MOST_COLUMNS = 20
"""Largest number of subjects that get a column each on the page; more of them are in `by_subject.csv` alone."""


def by_subject_wide(values: pd.DataFrame) -> pd.DataFrame:
    """Return the table `by_subject` with one column per subject."""
    keys = ["quantity", "unit", "method", "level"]
    wide = values.pivot_table(index=keys, columns="subject", values="value", sort=False, aggfunc="first")
    return wide[list(dict.fromkeys(values["subject"]))].reset_index().rename_axis(columns=None)
