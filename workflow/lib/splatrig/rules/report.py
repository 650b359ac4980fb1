"""Results that Snakemake's report shows."""

from pathlib import Path
from typing import Any

from snakemake.io import report

CAPTIONS = Path(__file__).resolve().parents[3] / "report"
"""Folder of the captions; absolute, since rules of all folders name them."""


def reported(path: str, caption: str, category: str, **labels: str) -> Any:
    """Return an output that the report shows with the caption of that name; that of a family also under its name."""
    families = {"family": "{family}"} if "{family}" in path else {}
    return report(path, caption=str(CAPTIONS / f"{caption}.rst"), category=category, labels=families | labels)
