"""Tables by region of the head: squared errors are pooled over the pixels of all images before conversion to dB.

The mouth covers a few hundred pixels of some images and none of most, so a mean of per-image values would be noise.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from splatrig.components.labels import label_of
from splatrig.dataset.regions import REGION_COLUMNS, REGIONS
from splatrig.evaluation.images import NAMES
from splatrig.evaluation.table import MethodTable

DRAWS = 2000
"""Number of bootstrap draws over frames."""
SHOWN = {
    ("image_pooled_psnr", "train"): "frames learned from",
    ("image_pooled_psnr", "held_out"): "expressions held out",
    ("generalization_pooled_psnr", "left_out"): "expressions left out",
}
"""Metrics and splits shown in tables for readers, and their names for the frames."""


@dataclass(frozen=True)
class Pooled:
    """PSNR of one region, pooled over all images."""

    region: str
    psnr: float
    """Pooled PSNR in dB."""
    low: float
    high: float
    """Upper bound of the 95 % percentile bootstrap interval (Efron 1979) over frames; NaN for a single frame."""
    pixels: int


def pool(images: pd.DataFrame, generator: np.random.Generator) -> Iterator[Pooled]:
    """Yield the PSNR of each region over rows of `images.csv`; cameras of one frame are resampled together.

    Regions without pixels are omitted, and so are those without error, whose PSNR is infinite.
    """
    sums = images.groupby(["expression", "frame", "sample"])[list(REGION_COLUMNS)].sum()
    own = sums.to_numpy().reshape(len(sums), len(REGIONS), 2)
    taken = generator.multinomial(
        len(sums), np.full(len(sums), 1.0 / len(sums)), size=DRAWS
    )  # how often each frame is drawn
    drawn = np.einsum("df,frs->drs", taken, own, optimize=True)
    for index, region in enumerate(REGIONS):
        squares, pixels = own[:, index].sum(axis=0).tolist()
        if squares and pixels:
            low, high = (np.nan, np.nan) if len(sums) == 1 else _interval(drawn[:, index])
            yield Pooled(region, decibels(squares, pixels), low, high, int(pixels))


def decibels(squares: Any, pixels: Any) -> Any:
    """Return the PSNR (dB) of sums of squared errors over `pixels` pixels, for numbers, arrays or series."""
    return -10.0 * np.log10(squares / pixels)


def _interval(drawn: NDArray[np.float64]) -> tuple[float, float]:
    """Return the interval from sums of errors and pixels [draws, 2]; draws with a zero sum are excluded."""
    squares, pixels = drawn[(drawn > 0).all(axis=1)].T
    low, high = np.percentile(decibels(squares, pixels), [2.5, 97.5])
    return float(low), float(high)


def summarize_regions(images: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    """Return the pooled PSNR per method, level, test, k, role and region as rows of `methods.csv`; n counts pixels."""
    tables = [MethodTable("", "").frame()]
    for (method, level), own in images.groupby(["method", "level"], sort=False):
        table = MethodTable(str(method), str(level))
        for (test, role, k), rows in own.groupby(["test", "role", "k"], sort=True):
            for found in pool(rows, generator):
                table.add(
                    f"{NAMES[str(test)]}_pooled_psnr",
                    found.psnr,
                    "dB",
                    found.pixels,
                    k=int(str(k)),
                    region=found.region,
                    split=str(role),
                    interval=(found.low, found.high),
                )
        tables.append(table.frame())
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def by_region(methods: pd.DataFrame) -> pd.DataFrame:
    """Return a table of pooled PSNR (dB) for readers: one row per method at its largest k, one column per known region.

    Upsampled components are left out.
    """
    rows = []
    table = methods[~methods["method"].str.startswith("upsampled")]
    for (metric, split), frames in SHOWN.items():
        own = table[(table["metric"] == metric) & (table["split"] == split)]
        for method, found in own.groupby("method", sort=False):
            last = found[found["k"] == found["k"].max()]
            values = {str(region): f"{value:.2f}" for region, value in last[["region", "value"]].to_numpy().tolist()}
            rows.append({"frames": frames, "method": label_of(str(method)), "k": str(last["k"].iloc[0])} | values)
    found = pd.DataFrame(rows, columns=["frames", "method", "k", *REGIONS])
    return found.dropna(axis="columns", how="all").fillna("")


def region_line(view: pd.Series) -> str:
    """Return the PSNR of the regions of one image in words, from a row with `REGION_COLUMNS`; "" if none is known."""
    known = [
        (region, decibels(view[f"sse_{region}"], view[f"pixels_{region}"]))
        for region in REGIONS[1:]
        if view[f"pixels_{region}"] > 0 and view[f"sse_{region}"] > 0
    ]
    return ", ".join(f"{region} {value:.1f}" for region, value in known)
