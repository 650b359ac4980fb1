"""Measure the deformation components at full size: `python benchmarks/components.py all --out results.csv`.

330 frames of 87,652 Gaussians with 13 numbers each, in an attribute store on disk. Every ratio is taken in one process;
peak memory is the highest resident size during a measurement (Linux).

    pca        joint PCA, K = 50, against sklearn's on the same file        (--columns N: only the first N Gaussians)
    plain      SLDC at 5,509 against the published algorithm, K = 50 and 330, same iterations, float64
    full       SLDC at 87,652, K = 50, to convergence
    coarse     the same, started on the base level
    joint      SLDC of all 13 numbers at 87,652, K = 50
    rig        evaluating a rig: 50 dense global components, 20 local ones
    sparse     MiniBatchSparsePCA of the positions at 5,509, K = 10
    cuda       SLDC at 87,652 on a CUDA device; cuda_coarse, cuda_joint: started on the base level, all 13 numbers
    joint_coarse   joint, started on the base level as config.yaml asks

How well planted components are found again is benchmarks/recovery.py.
"""

import argparse
import csv
import logging
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "lib"), str(ROOT / "tests")]

import h5py  # noqa: E402
import numpy as np  # noqa: E402
import scipy  # noqa: E402
import yaml  # noqa: E402
from component_data import template, write_store  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from splatrig.components.attributes import AttributeReader  # noqa: E402
from splatrig.components.component_file import Components, by_column, by_gaussian  # noqa: E402
from splatrig.components.local import (  # noqa: E402
    COLUMNS_IN_CACHE,
    CoarseStart,
    FoundLocal,
    local_components,
    make_engine,
)
from splatrig.components.matrix import StandardisedRows, standardise  # noqa: E402
from splatrig.components.mbspca import sparse_components  # noqa: E402
from splatrig.components.pca import principal_components  # noqa: E402
from splatrig.components.sldc import AdmmOptions, SldcOptions, sparse_localized_components  # noqa: E402
from splatrig.components.support import GaussMap, Locality, largest_distance_mm  # noqa: E402
from splatrig.config.models import SldcConfig, from_mapping  # noqa: E402
from splatrig.mesh.geodesic import GeodesicSolver  # noqa: E402
from support.sldc_reference import plain_sldc  # noqa: E402

FRAMES = 330
JOINT = ["xyz", "f_dc", "rotation", "scale"]
PLAIN = AdmmOptions(rho=10.0, relaxation=1.0, iterations=10, tolerance=0.0)
ROWS: list[dict[str, object]] = []


def report(bar: str, quantity: str, value: float, unit: str, wanted: str = "") -> None:
    """Keep one figure and print it."""
    ROWS.append({"bar": bar, "quantity": quantity, "value": f"{value:.6g}", "unit": unit, "wanted": wanted})
    print(f"{bar:14} {quantity:52} {value:>12.6g} {unit:8} {wanted}", flush=True)


def measured(function: Callable[[], object]) -> tuple[object, float, float]:
    """Return the result of `function`, its seconds, and the peak resident size while it ran, GiB."""
    Path("/proc/self/clear_refs").write_text("5")
    start = time.perf_counter()
    result = function()
    seconds = time.perf_counter() - start
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return result, seconds, peak / 2**20


def bench_pca(folder: Path, threads: int, gaussians: int | None) -> None:
    """Joint PCA from the file against sklearn's."""
    from sklearn.decomposition import PCA

    path = folder / "joint.h5"
    if not path.exists():
        write_store(path, template(), "subd2", FRAMES, JOINT)
    if gaussians is not None:
        path = _first(path, folder / f"joint_{gaussians}.h5", gaussians)

    def ours() -> object:
        with AttributeReader(path) as reader:
            return principal_components(reader.train_matrix(JOINT), 50, "mean", threads=threads)

    def oracle() -> object:
        with AttributeReader(path) as reader:
            matrix = reader.train_matrix(JOINT)
            rows = np.empty(matrix.shape)
            for columns, block in StandardisedRows(matrix, found.standardisation).blocks():
                rows[:, columns] = block
        return PCA(50, svd_solver="full", copy=False).fit(rows)

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
    report("pca", "faster by", their_seconds / seconds, "x", ">= 30")
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
        for name in JOINT:
            width = old[name].shape[1] // len(old["face_mask"])
            new[name] = old[name][:, : gaussians * width]
    return smaller


def _locality(level: str, support: GaussMap) -> Locality:
    mesh = template().levels[level]
    solver = GeodesicSolver(mesh.vertices, mesh.faces)
    return Locality(solver, support, largest_distance_mm(solver, 0))


def _xyz(folder: Path, level: str) -> Path:
    path = folder / f"xyz_{level}.h5"
    if not path.exists():
        write_store(path, template(), level, FRAMES, ["xyz"])
    return path


def bench_plain(folder: Path, threads: int, quick: bool = False) -> None:
    """SLDC against the published algorithm at the base level, equal steps, float64."""
    with AttributeReader(_xyz(folder, "base")) as reader:
        matrix = reader.train_matrix(["xyz"])
        X = StandardisedRows(matrix, standardise(matrix, "neutral")).less_rest().astype(np.float64)
    X = X.reshape(FRAMES, -1, 3)
    locality = _locality("base", GaussMap(0.2))
    for k, outer in [(50, 10), (330, 2)][: 1 if quick else 2]:
        size = COLUMNS_IN_CACHE // 3
        options = SldcOptions(k, 1.0, False, outer, 0.0, sweeps=1, momentum=0.0, slack=0.0, reseed=False, admm=PLAIN)

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
        report(bar, "faster by", their_seconds / seconds, "x", ">= 10" if k == 50 else ">= 5")
        difference = np.abs(found.objective / objective - 1).max()
        report(bar, "largest relative difference of the objective", difference, "", "<= 1e-6")


def bench_full(folder: Path, threads: int, attributes: list[str], device: str, start: str | None = None) -> None:
    """SLDC at the finest level to convergence: reading, standardising, geodesics and all."""
    path = _xyz(folder, "subd2") if attributes == ["xyz"] else folder / "joint.h5"
    if not path.exists():
        write_store(path, template(), "subd2", FRAMES, JOINT)
    mesh = template()
    values = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["components"]["sldc"]
    config = from_mapping(SldcConfig, {**values, "k": 50})
    coarse = CoarseStart(mesh.levels[start], mesh.between(start, "subd2")) if start else None
    bar = f"{device} {'xyz' if attributes == ['xyz'] else 'joint'}{' from ' + start if start else ''}"
    wanted = {"cuda": "<= 10", "cpu": "<= 10 of plain"}[device] if attributes == ["xyz"] else ""

    def run() -> FoundLocal:
        with AttributeReader(path) as reader:
            matrix = reader.train_matrix(attributes)
            return local_components(
                matrix, mesh.levels["subd2"], config, "gauss", "neutral", threads, device=device, coarse=coarse
            )

    for attempt in range(2 if device == "cuda" else 1):
        found, seconds, peak = measured(run)
        report(bar, f"to convergence, run {attempt + 1}", seconds, "s", wanted)
    report(bar, "iterations at the finest level", len(found.extras["sldc_objective"]), "")
    report(bar, "converged", float(found.extras["sldc_converged"]), "")
    report(bar, "objective", found.extras["sldc_objective"][-1], "")
    rows = by_gaussian(found.C, found.standardisation.dim_info, len(mesh.levels["subd2"].vertices))
    report(bar, "zero rows", float((~rows.any(axis=2)).mean()), "")
    report(bar, "peak memory", peak, "GiB", "<= 12")


def bench_sparse(folder: Path, threads: int) -> None:
    """Sparse PCA at the base level, where config.yaml runs it."""
    with AttributeReader(_xyz(folder, "base")) as reader:
        matrix = reader.train_matrix(["xyz"])
        rows = StandardisedRows(matrix, standardise(matrix, "neutral", threads)).less_rest()
    _, seconds, peak = measured(lambda: sparse_components(rows, 10, 1.0, 0))
    report("sparse", f"{rows.shape[0]} × {rows.shape[1]}, K = 10", seconds, "s")
    report("sparse", "peak memory", peak, "GiB")


def bench_rig(threads: int) -> None:
    """Rows a second of a rig at full size."""
    from splatrig.components.rig import Rig
    from splatrig.gaussians.gaussians import SHAPES, Gaussians

    count, rng = 87_652, np.random.default_rng(0)
    neutral = Gaussians(**{name: np.ones((count, *shape), np.float32) for name, shape in SHAPES.items()})
    joint = tuple(
        zip(JOINT, (0, 3 * count, 6 * count, 10 * count), (3 * count, 6 * count, 10 * count, 13 * count), strict=True)
    )

    def rig_of(C: np.ndarray, dim_info: tuple[tuple[str, int, int], ...]) -> Rig:
        columns = C.shape[1]
        mean, std = rng.normal(size=columns).astype(np.float32), np.ones(columns, np.float32)
        mask, faces = np.ones(count, bool), np.zeros((0, 3), np.int64)
        W = np.zeros((1, len(C)), np.float32)
        return Rig(Components("pca", W, C, mean, std, None, dim_info, faces, mask, ("E/0",)), neutral)

    touched = (np.arange(count) % 5 == 0)[None, :, None] * np.ones((20, 1, 13), np.float32)
    cases = {
        "50 dense components, 13 numbers a Gaussian": (
            rng.normal(size=(50, 13 * count)).astype(np.float32),
            joint,
            ">= 30",
        ),
        "20 local components, 20 % of the rows": (by_column(touched, joint), joint, ">= 150"),
        "20 local components, 20 % of the rows, xyz": (
            by_column(touched[:, :, :3], (("xyz", 0, 3 * count),)),
            (("xyz", 0, 3 * count),),
            ">= 150",
        ),
    }
    for name, (C, dim_info, wanted) in cases.items():
        rig = rig_of(C, dim_info)
        weights = rng.uniform(size=(40, len(C))).astype(np.float32)
        with threadpool_limits(limits=threads):
            rig.rows(weights[0])
            start = time.perf_counter()
            for frame in weights:
                rig.rows(frame)
            report("rig", f"rows, {name}", len(weights) / (time.perf_counter() - start), "frames/s", wanted)


JOBS: dict[str, Callable[[Path, argparse.Namespace], None]] = {
    "pca": lambda folder, options: bench_pca(folder, options.threads, options.columns),
    "plain": lambda folder, options: bench_plain(folder, options.threads, options.quick),
    "full": lambda folder, options: bench_full(folder, options.threads, ["xyz"], "cpu"),
    "coarse": lambda folder, options: bench_full(folder, options.threads, ["xyz"], "cpu", "base"),
    "joint": lambda folder, options: bench_full(folder, options.threads, JOINT, "cpu"),
    "joint_coarse": lambda folder, options: bench_full(folder, options.threads, JOINT, "cpu", "base"),
    "rig": lambda _, options: bench_rig(options.threads),
    "sparse": lambda folder, options: bench_sparse(folder, options.threads),
    "cuda": lambda folder, options: bench_full(folder, options.threads, ["xyz"], "cuda"),
    "cuda_coarse": lambda folder, options: bench_full(folder, options.threads, ["xyz"], "cuda", "base"),
    "cuda_joint": lambda folder, options: bench_full(folder, options.threads, JOINT, "cuda", "base"),
}
"""Benchmarks by name; `options` are those of the command line."""


def main() -> None:
    """Run the named benchmarks and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=[*JOBS, "all"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--columns", type=int, help="only the first so many Gaussians, for machines under 16 GiB")
    parser.add_argument("--quick", action="store_true", help="plain: K = 50 alone")
    parser.add_argument("--verbose", action="store_true", help="print every iteration with its time")
    parser.add_argument("--folder", type=Path, help="where the synthetic stores are kept (default: a temporary one)")
    parser.add_argument("--out", type=Path, help="CSV to write")
    options = parser.parse_args()
    if options.verbose:
        logging.basicConfig(level=logging.INFO, format="%(relativeCreated)d ms %(message)s", stream=sys.stdout)
    chosen = ["pca", "plain", "full", "coarse", "rig", "sparse"] if "all" in options.what else options.what
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name in chosen:
            JOBS[name](folder, options)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {options.threads} threads"
    versions = f"python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}"
    print(f"machine: {machine}; {versions}", flush=True)
    if options.out:
        with options.out.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, ["bar", "quantity", "value", "unit", "wanted", "machine", "versions"])
            writer.writeheader()
            writer.writerows({**row, "machine": machine, "versions": versions} for row in ROWS)


if __name__ == "__main__":
    main()
