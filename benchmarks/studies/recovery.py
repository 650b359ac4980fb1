"""How well planted components are found again under noise: `python benchmarks/studies/recovery.py --out recovery.csv`.

Two sets of known local motions: five bumps of 22 mm radius and 3 mm height on a sheet 100 mm wide, 40 frames, and eight
face units of the demo head, 8 mm high, 40 frames. Independent noise moves every vertex of every frame. Reported is the
correlation of each planted component with its partner (Hungarian assignment, either sign): the least and the mean.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from splatrig.components.local import local_components
from splatrig.components.matrix import AttributeMatrix, in_memory
from splatrig.components.pca import principal_components
from splatrig.components.sldc import SldcOptions
from splatrig.config.choices import SldcWeights
from splatrig.config.support_maps import GaussMap, TrapezoidMap
from splatrig.mesh.template import Level, identity_step
from support.harness import Figures, demo_head, machine, parsed, parser_of
from support.synthetic import matched_correlations, planted_demo_head, sheet_with_bumps

NOISE_MM = (0.0, 0.05, 0.15, 0.5, 1.0)
SIGNED = "both signs"
SETS = ("sheet", f"sheet, {SIGNED}", "demo head")


def planted(name: str, noise_mm: float) -> tuple[Level, AttributeMatrix, np.ndarray]:
    """Return the mesh, the moving rows and the planted fields of one set; `both signs` moves the sheet both ways."""
    if name == "demo head":
        level, matrix, fields, _ = planted_demo_head(noise_mm=noise_mm)
        return level, matrix, fields
    sheet = sheet_with_bumps()
    level = Level(sheet.vertices, sheet.faces, identity_step(len(sheet.vertices)), np.ones(len(sheet.vertices), bool))
    rows = sheet.matrix(noise_mm).sources[0]
    if SIGNED in name:
        rows = np.concatenate([rows, 2 * rows[:1] - sheet.matrix(noise_mm, seed=2).sources[0][1:]])
    return level, in_memory({"xyz": rows}), sheet.components


def measure(options: argparse.Namespace, figures: Figures) -> list[dict[str, object]]:
    """Return one row per set, noise and method."""
    rows: list[dict[str, object]] = []
    for name in options.sets:
        for noise_mm in options.noise:
            level, matrix, fields = planted(name, noise_mm)
            weights: SldcWeights = "signed" if SIGNED in name else "nonnegative"
            lambda_ = 2.0 if name == "demo head" else 1.0
            asked = SldcOptions(len(fields), lambda_, weights=weights)
            found = {
                "SLDC, Gaussian": local_components(matrix, level, asked, GaussMap(sigma=0.2), "neutral").C,
                "SLDC, trapezoid": local_components(matrix, level, asked, TrapezoidMap(), "neutral").C,
                "PCA": principal_components(matrix, len(fields)).C,
            }
            for method, C in found.items():
                values = matched_correlations(C, fields)
                rows.append({"set": name, "noise_mm": noise_mm, "method": method, "least": f"{values.min():.3f}"})
                rows[-1]["mean"] = f"{values.mean():.3f}"
                figures.add(f"{name}, {noise_mm} mm of noise, {method}: least", values.min(), "correlation")
                figures.add(f"{name}, {noise_mm} mm of noise, {method}: mean", values.mean(), "correlation")
    return rows


def main() -> None:
    """Measure and write the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--noise", nargs="+", type=float, default=list(NOISE_MM), help="millimeters")
    parser.add_argument("--out", type=Path, help="CSV to write")
    options = parsed(parser, sets=["sheet"], noise=[0.05])
    if "demo head" in options.sets:
        demo_head()
    figures = Figures(options, machine("numpy", "scipy"))
    rows = measure(options, figures)
    if options.out:
        with options.out.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    figures.save()


if __name__ == "__main__":
    main()
