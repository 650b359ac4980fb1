"""Measure the deformation components at full size: `python benchmarks/components/components.py all --out results.csv`.

330 frames of 87,652 Gaussians with 13 numbers each, in an attribute store on disk. Every ratio is taken in one process;
peak memory is the highest resident size during a measurement (Linux).

    pca        PCA of all attributes, K = 50, against sklearn's on the same file (--columns N: first N Gaussians)
    plain      SLDC at 5,509 against the published algorithm, K = 50 and 330, same iterations, float64
    full       SLDC at 87,652, K = 50, to convergence
    coarse     the same, started on the base level
    all        SLDC of all 13 numbers at 87,652, K = 50
    rig        evaluating a rig: 50 dense global components, 20 local ones
    sparse     MiniBatchSparsePCA of the positions at 5,509, K = 10
    cuda       SLDC at 87,652 on a CUDA device; cuda_coarse, cuda_all: started on the base level, all 13 numbers
    all_coarse   the same, started on the base level as in the pipeline

How well planted components are found again is benchmarks/studies/recovery.py.
"""

import argparse
import csv
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import component_data
import h5py
import numpy as np
from component_data import write_store
from threadpoolctl import threadpool_limits

from splatrig.components.attributes import AttributeReader
from splatrig.components.component_file import Components
from splatrig.components.fields import Columns
from splatrig.components.local import COLUMNS_IN_CACHE, CoarseStart, local_components, make_engine
from splatrig.components.matrix import Decomposition, StandardizedRows, standardize
from splatrig.components.mbspca import sparse_components
from splatrig.components.pca import principal_components
from splatrig.components.sldc import AdmmOptions, SldcOptions, SolverOptions, sparse_localized_components
from splatrig.components.support import Locality, largest_distance_mm
from splatrig.config.support_maps import GaussMap
from splatrig.mesh.geodesic import GeodesicSolver
from splatrig.mesh.template import Template
from support.harness import Figures, machine, need_cuda, parsed, parser_of
from support.sldc_reference import plain_sldc

ALL_ATTRIBUTES = ["xyz", "f_dc", "rotation", "scale"]
PLAIN = AdmmOptions(rho=10.0, relaxation=1.0, iterations=10, tolerance=0.0)


@dataclass(frozen=True)
class Bench:
    """What all measurements share."""

    folder: Path
    """Holds the synthetic stores."""
    options: argparse.Namespace
    size: component_data.Size
    k: int
    figures: Figures

    @cached_property
    def template(self) -> Template:
        """The mesh, with three levels."""
        return component_data.template(self.size)

    def store(self, level: str, attributes: list[str]) -> Path:
        """Return the path of the store of a level, which is written unless it is there."""
        path = self.folder / f"{'xyz' if attributes == ['xyz'] else 'all'}_{level}.h5"
        if not path.exists():
            write_store(path, self.template, level, self.size, attributes)
        return path

    def locality(self, level: str, support: GaussMap) -> Locality:
        """Return the support around vertices of a level."""
        mesh = self.template.levels[level]
        solver = GeodesicSolver(mesh.vertices, mesh.faces)
        return Locality(solver, support, largest_distance_mm(solver, 0))

    def report(self, bar: str, quantity: str, value: float, unit: str, wanted: str = "") -> None:
        """Keep one figure and print it."""
        self.figures.add(f"{bar}: {quantity}", value, unit, f"wanted: {wanted}" if wanted else "")


def measured(function: Callable[[], object]) -> tuple[object, float, float]:
    """Return the result of `function`, its seconds, and the peak resident size while it ran, GiB."""
    Path("/proc/self/clear_refs").write_text("5")
    start = time.perf_counter()
    result = function()
    seconds = time.perf_counter() - start
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return result, seconds, peak / 2**20


def bench_pca(bench: Bench) -> None:
    """PCA of all attributes from the file against sklearn's."""
    from sklearn.decomposition import PCA

    report, threads, gaussians = bench.report, bench.options.threads, bench.options.columns
    path = bench.store("subd2", ALL_ATTRIBUTES)
    if gaussians is not None:
        path = _first(path, bench.folder / f"learned_{gaussians}.h5", gaussians)

    def ours() -> object:
        with AttributeReader(path) as reader:
            return principal_components(reader.train_matrix(ALL_ATTRIBUTES), bench.k, "mean", threads=threads)

    def oracle() -> object:
        with AttributeReader(path) as reader:
            matrix = reader.train_matrix(ALL_ATTRIBUTES)
            rows = np.empty(matrix.shape)
            for columns, block in StandardizedRows(matrix, found.standardization).blocks():
                rows[:, columns] = block
        return PCA(bench.k, svd_solver="full", copy=False).fit(rows)

    runs = [measured(ours) for _ in range(3)]
    found = runs[0][0]
    seconds = statistics.median(run[1] for run in runs)
    theirs, their_seconds, their_peak = measured(oracle)
    columns = found.C.shape[1]
    report("pca", "columns", columns, "")
    report("pca", "ours, median of 3", seconds, "s")
    report("pca", "ours, peak memory", max(run[2] for run in runs), "GiB", "<= 3")
    report("pca", "sklearn full SVD", their_seconds, "s")
    report("pca", "sklearn, peak memory", their_peak, "GiB")
    report("pca", "faster by", their_seconds / seconds, "times", ">= 30")
    relative = np.abs(found.explained_variance / theirs.explained_variance_ - 1)
    report("pca", "largest relative difference of a variance", relative.max(), "", "<= 1e-5")
    gaps = np.abs(np.diff(theirs.explained_variance_)) / theirs.explained_variance_[:-1]
    separated = np.minimum(np.append(gaps, np.inf), np.insert(gaps, 0, np.inf))[:-1] > 0.01
    cross = np.einsum("kd,kd->k", found.C, theirs.components_)
    sines = np.linalg.norm(found.C - cross[:, None] * theirs.components_, axis=1)[:-1]
    report("pca", "separated components (gap over 1 %)", separated.sum(), "")
    report("pca", "largest angle of a separated component", np.arcsin(sines[separated].max()), "rad", "< 1e-4")


def _first(path: Path, smaller: Path, gaussians: int) -> Path:
    """Write a store of the first Gaussians only."""
    with h5py.File(path) as old, h5py.File(smaller, "w") as new:
        new.attrs.update(dict(old.attrs))
        for name in ("frames", "role"):
            old.copy(name, new)
        new["faces"], new["face_mask"] = np.zeros((0, 3), np.int64), old["face_mask"][:gaussians]
        for name in ALL_ATTRIBUTES:
            width = old[name].shape[1] // len(old["face_mask"])
            new[name] = old[name][:, : gaussians * width]
    return smaller


def bench_plain(bench: Bench) -> None:
    """SLDC against the published algorithm at the base level, equal steps, float64."""
    report, threads = bench.report, bench.options.threads
    with AttributeReader(bench.store("base", ["xyz"])) as reader:
        matrix = reader.train_matrix(["xyz"])
        X = StandardizedRows(matrix, standardize(matrix, "neutral")).less_rest().astype(np.float64)
    X = X.reshape(bench.size.frames, -1, 3)
    locality = bench.locality("base", GaussMap(sigma=0.2))
    for k, outer in [(bench.k, 10), (bench.size.frames, 2)][: 1 if bench.options.quick else 2]:
        size = COLUMNS_IN_CACHE // 3
        solver = SolverOptions(outer, 0.0, sweeps=1, momentum=0.0, slack=0.0, reseed=False, admm=PLAIN)
        options = SldcOptions(k, solver=solver)

        def ours(k: int = k, size: int = size, options: SldcOptions = options) -> object:
            blocks = (np.ascontiguousarray(X[:, i : i + size].swapaxes(1, 2)) for i in range(0, X.shape[1], size))
            return sparse_localized_components(make_engine(blocks, k, threads, "cpu"), locality.rows, options)

        ours()  # fills the cache of geodesics for both
        found, seconds, _ = measured(ours)
        with threadpool_limits(limits=threads):
            (_, _, objective), their_seconds, _ = measured(
                lambda k=k, outer=outer: plain_sldc(X, lambda i: locality.rows(np.array([i]))[0], k, 1.0, outer)
            )
        bar = f"plain K={k}"
        report(bar, f"ours, {outer} iterations", seconds, "s")
        report(bar, f"published algorithm, {outer} iterations", their_seconds, "s")
        report(bar, "faster by", their_seconds / seconds, "times", ">= 10" if k == bench.k else ">= 5")
        difference = np.abs(found.objective / objective - 1).max()
        report(bar, "largest relative difference of the objective", difference, "", "<= 1e-6")


def bench_full(bench: Bench, attributes: list[str], device: str, start: str | None = None) -> None:
    """SLDC at the finest level to convergence: reading, standardizing, geodesics and all."""
    if device == "cuda":
        need_cuda()
    report, threads = bench.report, bench.options.threads
    path, mesh = bench.store("subd2", attributes), bench.template
    coarse = CoarseStart(mesh.levels[start], mesh.between(start, "subd2")) if start else None
    bar = f"{device} {'xyz' if attributes == ['xyz'] else 'all'}{' from ' + start if start else ''}"
    wanted = {"cuda": "<= 10", "cpu": "<= 10 of plain"}[device] if attributes == ["xyz"] else ""

    def run() -> Decomposition:
        with AttributeReader(path) as reader:
            matrix = reader.train_matrix(attributes)
            return local_components(
                matrix,
                mesh.levels["subd2"],
                SldcOptions(bench.k),
                GaussMap(sigma=0.2),
                "neutral",
                threads,
                device=device,
                coarse=coarse,
            )

    for attempt in range(2 if device == "cuda" else 1):
        found, seconds, peak = measured(run)
        report(bar, f"to convergence, run {attempt + 1}", seconds, "s", wanted)
    report(bar, "iterations at the finest level", len(found.solver.objective), "")
    report(bar, "converged", float(found.solver.converged), "")
    report(bar, "objective", found.solver.objective[-1], "")
    rows = found.standardization.columns.by_gaussian(found.C)
    report(bar, "zero rows", float((~rows.any(axis=2)).mean()), "")
    report(bar, "peak memory", peak, "GiB", "<= 12")


def bench_sparse(bench: Bench) -> None:
    """Sparse PCA at the base level, where the pipeline runs it."""
    k = min(10, bench.k)
    with AttributeReader(bench.store("base", ["xyz"])) as reader:
        matrix = reader.train_matrix(["xyz"])
        rows = StandardizedRows(matrix, standardize(matrix, "neutral", bench.options.threads)).less_rest()
    _, seconds, peak = measured(lambda: sparse_components(rows, k, 1.0, 0))
    bench.report("sparse", f"{rows.shape[0]} × {rows.shape[1]}, K = {k}", seconds, "s")
    bench.report("sparse", "peak memory", peak, "GiB")


def bench_rig(bench: Bench) -> None:
    """Rows a second of a rig at full size."""
    from splatrig.components.rig import Rig
    from splatrig.gaussians.gaussians import SHAPES, Gaussians

    count, rng = len(bench.template.levels["subd2"].vertices), np.random.default_rng(0)
    neutral = Gaussians(**{name: np.ones((count, *shape), np.float32) for name, shape in SHAPES.items()})
    everything, xyz = Columns(tuple(ALL_ATTRIBUTES), count), Columns(("xyz",), count)

    def rig_of(C: np.ndarray, parts: Columns) -> Rig:
        columns = C.shape[1]
        mean, std = rng.normal(size=columns).astype(np.float32), np.ones(columns, np.float32)
        mask, faces = np.ones(count, bool), np.zeros((0, 3), np.int64)
        W = np.zeros((1, len(C)), np.float32)
        return Rig.of(Components("pca", W, C, mean, std, None, parts, faces, mask, ("E/0",)), neutral)

    touched = (np.arange(count) % 5 == 0)[None, :, None] * np.ones((20, 1, 13), np.float32)
    cases = {
        "50 dense components, 13 numbers a Gaussian": (
            rng.normal(size=(50, 13 * count)).astype(np.float32),
            everything,
            ">= 30",
        ),
        "20 local components, 20 % of the rows": (everything.by_column(touched), everything, ">= 150"),
        "20 local components, 20 % of the rows, xyz": (
            xyz.by_column(touched[:, :, :3]),
            xyz,
            ">= 150",
        ),
    }
    for name, (C, parts, wanted) in cases.items():
        rig = rig_of(C, parts)
        weights = rng.uniform(size=(40, len(C))).astype(np.float32)
        with threadpool_limits(limits=bench.options.threads):
            rig.components.rows(weights[0])
            start = time.perf_counter()
            for frame in weights:
                rig.components.rows(frame)
            bench.report("rig", f"rows, {name}", len(weights) / (time.perf_counter() - start), "frames/s", wanted)


JOBS: dict[str, Callable[[Bench], None]] = {
    "pca": bench_pca,
    "plain": bench_plain,
    "full": lambda bench: bench_full(bench, ["xyz"], "cpu"),
    "coarse": lambda bench: bench_full(bench, ["xyz"], "cpu", "base"),
    "all": lambda bench: bench_full(bench, ALL_ATTRIBUTES, "cpu"),
    "all_coarse": lambda bench: bench_full(bench, ALL_ATTRIBUTES, "cpu", "base"),
    "rig": bench_rig,
    "sparse": bench_sparse,
    "cuda": lambda bench: bench_full(bench, ["xyz"], "cuda"),
    "cuda_coarse": lambda bench: bench_full(bench, ["xyz"], "cuda", "base"),
    "cuda_all": lambda bench: bench_full(bench, ALL_ATTRIBUTES, "cuda", "base"),
}
"""Benchmarks by name."""
ALL = ["pca", "plain", "full", "coarse", "rig", "sparse"]
SMALLEST = [*ALL, "all_coarse"]


def main() -> None:
    """Run the named benchmarks and write the table."""
    parser = parser_of(__doc__)
    parser.add_argument("what", nargs="*", choices=[*JOBS, "all"], default="all")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--columns", type=int, help="only the first so many Gaussians, for machines under 16 GiB")
    parser.add_argument("--quick", action="store_true", help="plain: K = 50 alone")
    parser.add_argument("--verbose", action="store_true", help="print every iteration with its time")
    parser.add_argument("--folder", type=Path, help="where the synthetic stores are kept (default: a temporary one)")
    parser.add_argument("--out", type=Path, help="CSV to write")
    options = parsed(parser, columns=200)
    if options.verbose:
        logging.basicConfig(level=logging.INFO, format="%(relativeCreated)d ms %(message)s", stream=sys.stdout)
    chosen = (SMALLEST if options.smallest else ALL) if "all" in options.what else options.what
    size, k = (component_data.SMALLEST, 4) if options.smallest else (component_data.FULL, 50)
    figures = Figures(options, machine("numpy", "scipy", "scikit-learn"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        bench = Bench(folder, options, size, k, figures)
        for name in chosen:
            JOBS[name](bench)
    if options.out:
        with options.out.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, ["what", "value", "unit", "machine"])
            writer.writeheader()
            writer.writerows({**row, "machine": figures.machine} for row in figures.rows)
    figures.save()


if __name__ == "__main__":
    main()
