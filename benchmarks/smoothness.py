"""Does smooth sparsity remove discontinuities? `python benchmarks/smoothness.py --out benchmarks/smoothness`.

SLDC of eight wide and smooth motions of the demo head (bumps of 45 mm standard deviation, 8 mm high, with 0.05 mm of
noise: wider than the supports, which therefore must cut them), on its mesh and on the mesh subdivided once, under three
support maps at equal λ: the Gaussian, the trapezoid, and the original project's trapezoid, which is thresholded a
second time (below d_min it becomes 0, above d_max 1) and so has two steps. Measured is the largest change of a
component across an edge, as a share of its peak (`jump`). When the mesh is refined, a slope halves and a step stays.

Writes OUT.csv and OUT.png; needs the retrieved head (resources/retrieved, made by `snakemake retrieve_head`).
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "lib")]

import matplotlib as mpl  # noqa: E402

mpl.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from PIL import Image  # noqa: E402

from splatrig.capture.demo.head import load_head  # noqa: E402
from splatrig.components.local import COLUMNS_IN_CACHE, make_engine  # noqa: E402
from splatrig.components.matrix import StandardisedRows, in_memory, standardise  # noqa: E402
from splatrig.components.sldc import SldcOptions, sparse_localized_components  # noqa: E402
from splatrig.components.support import GaussMap, Locality, SupportMap, TrapezoidMap, largest_distance_mm  # noqa: E402
from splatrig.evaluation.measures import jump  # noqa: E402
from splatrig.mesh.geodesic import GeodesicSolver  # noqa: E402
from splatrig.mesh.template import Template, build_template  # noqa: E402
from splatrig.mesh.topology import prune_unreferenced, unique_edges  # noqa: E402

BUMPS, SPREAD_MM, HEIGHT_MM = 8, 45.0, 8.0
D_MIN, D_MAX, SIGMA = 0.1, 0.6, 0.2
LAMBDAS = (1.0, 3.0, 10.0, 30.0, 100.0)
NOISE_MM = 0.05


def twice_thresholded(distances: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the original project's map: the trapezoid s, 0 where s < d_min and 1 where s > d_max."""
    s = TrapezoidMap(D_MIN, D_MAX)(distances)
    return np.where(s < D_MIN, 0.0, np.where(s > D_MAX, 1.0, s))


MAPS: dict[str, SupportMap] = {
    "Gaussian": GaussMap(SIGMA),
    "trapezoid": TrapezoidMap(D_MIN, D_MAX),
    "trapezoid, thresholded twice": twice_thresholded,
}


def demo_head() -> Template:
    """Return the template of the demo head's outer surface, two levels."""
    head = load_head(ROOT / "resources" / "retrieved" / "makehuman_head.npz")
    quads = head.quads[head.outer]
    pruning = prune_unreferenced(np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]), len(head.neutral))
    return build_template(head.neutral[pruning.kept], pruning.faces, 1)


def smooth_motions(template: Template, vertices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return wide bumps [8, V, 3] (millimetres) on `vertices` [V, 3], centred on the face."""
    rng = np.random.default_rng(2)
    base = template.levels["base"]
    centers = base.vertices[rng.choice(np.flatnonzero(base.mask), BUMPS, replace=False)]
    directions = rng.normal(size=(BUMPS, 3))
    directions *= HEIGHT_MM / np.linalg.norm(directions, axis=1, keepdims=True)
    distance = np.linalg.norm(vertices - centers[:, None], axis=2)
    return np.exp(-0.5 * (distance / SPREAD_MM) ** 2)[:, :, None] * directions[:, None]


def measure() -> pd.DataFrame:
    """Return one row per level, map, λ and component."""
    template = demo_head()
    rng = np.random.default_rng(0)
    W = rng.uniform(size=(40, BUMPS)) * (rng.uniform(size=(40, BUMPS)) < 0.4)
    W[0] = 0
    rows = []
    for name, level in template.levels.items():
        fields = smooth_motions(template, level.vertices)
        edges = unique_edges(level.faces).ends
        moving = level.vertices + np.tensordot(W, fields, 1)
        moving[1:] += NOISE_MM * np.random.default_rng(1).normal(size=moving[1:].shape)
        matrix = in_memory({"xyz": moving.reshape(len(W), -1).astype(np.float32)})
        data = StandardisedRows(matrix, standardise(matrix, "neutral"))
        solver = GeodesicSolver(level.vertices, level.faces)
        unit = largest_distance_mm(solver, int(level.faces[0, 0]))
        rows += [(name, "the motions themselves", lam, value) for lam in LAMBDAS for value in jump(fields, edges)]
        for label, support in MAPS.items():
            locate = Locality(solver, support, unit).rows
            for lam in LAMBDAS:
                engine = make_engine(data.gaussian_blocks(COLUMNS_IN_CACHE // 3), BUMPS, 2, "cpu")
                found = sparse_localized_components(engine, locate, SldcOptions(BUMPS, lam))
                rows += [(name, label, lam, value) for value in jump(found.C, edges)]
                print(f"{name} {label} λ={lam}: mean jump {np.nanmean(jump(found.C, edges)):.3f}", flush=True)
    return pd.DataFrame(rows, columns=["level", "map", "lambda", "jump"])


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw the maps, and the mean jump against λ on both meshes."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    distance = np.linspace(0, 0.8, 801)
    colors = dict(zip([*MAPS, "the motions themselves"], ["C0", "C1", "C3", "0.5"], strict=True))
    for label, support in MAPS.items():
        left.plot(distance, support(distance), color=colors[label], label=label)
    left.set(xlabel="geodesic distance / largest distance", ylabel="support map s", title="support maps")
    left.legend()
    for (level, label), part in table.groupby(["level", "map"], sort=False):
        means = part.groupby("lambda")["jump"].mean()
        style = "-" if level == "base" else "--"
        suffix = "" if level == "base" else ", mesh refined"
        right.plot(means.index, 100 * means, style, color=colors[label], marker="o", label=f"{label}{suffix}")
    right.set(xscale="log", xlabel="λ", ylabel="largest step over an edge (% of peak), mean", title="jumps")
    right.legend(fontsize=7)
    figure.savefig(path, dpi=90)
    Image.open(path).quantize(32).save(path, optimize=True)


def main() -> None:
    """Measure, write the table, draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="path without suffix")
    options = parser.parse_args()
    table = measure()
    table.to_csv(options.out.with_suffix(".csv"), index=False, float_format="%.5f")
    draw(table, options.out.with_suffix(".png"))
    print(table.pivot_table("jump", ["map", "lambda"], "level").to_string(float_format="%.3f"))


if __name__ == "__main__":
    main()
