"""The ablation of rigs learned through the rasteriser: a table of variants, each the configuration with few changes."""

import multiprocessing
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from learned_bench import Bench, learned_rig, mesh_start, open_bench, pca_of_fits, report, single_fits

from splatrig.components.component_file import Components
from splatrig.config.models import Config
from splatrig.learned.compare import measured_rig, unseen_weights


@dataclass(frozen=True)
class Variant:
    """One row of the table."""

    label: str
    family: str = "global"
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the section `learned` (`local.support`) or `training.…` and their values; of `steps` the factor."""
    start: str = "mesh"
    """mesh, rows (PCA of fitted frames) or random."""
    seed: int = 0


def _changed(*rows: tuple[str, dict[str, Any]], family: str = "global") -> list[Variant]:
    return [Variant(label, family, changes) for label, changes in rows]


VARIANTS = [
    Variant("default"),
    Variant("default, seed 1", seed=1),
    Variant("default, seed 2", seed=2),
    Variant("start: PCA of fitted rows", start="rows"),
    Variant("start: random", start="random"),
    Variant("steps x 4", changes={"steps": 4.0}),
    *_changed(
        ("steps x 0.4", {"steps": 0.4}),
        ("steps x 2", {"steps": 2.0}),
        ("batch: 2 frames, as many photographs", {"batch.frames": 2, "steps": 0.5}),
        ("batch: 2 frames", {"batch.frames": 2}),
        ("batch: 2 cameras of a frame", {"batch.cameras": 2}),
        ("rate_factor 0.06", {"rate_factor": 0.06}),
        ("rate_factor 0.3", {"rate_factor": 0.3}),
        ("centre rate 0.03 pixels", {"training.rates.means": 0.03}),
        ("centre rate 0.3 pixels", {"training.rates.means": 0.3}),
        ("base_rate_factor 0.3", {"base_rate_factor": 0.3}),
        ("base fixed at the neutral fit", {"base_rate_factor": 0.0}),
        ("weights fixed", {"weight_rate": 0.0}),
        ("weight_rate 0.08", {"weight_rate": 0.08}),
        ("smoothness 0.001", {"smoothness": 0.001}),
        ("level base", {"level": "base"}),
        ("level subd1", {"level": "subd1"}),
        ("level finest", {"level": None}),
        ("nothing hidden", {"back_faces": None, "dropout": 0.0}),
        ("nothing hidden, level finest", {"back_faces": None, "dropout": 0.0, "level": None}),
        ("back faces hidden, no dropout", {"back_faces": 0.2, "dropout": 0.0}),
        ("dropout, back faces shown", {"back_faces": None, "dropout": 0.1}),
        ("back faces hidden and dropout", {"back_faces": 0.2, "dropout": 0.1}),
        ("moves xyz", {"attributes": ["xyz"]}),
        ("moves xyz, f_dc", {"attributes": ["xyz", "f_dc"]}),
        ("4 components of f_rest besides", {"appearance.attributes": ["f_rest"]}),
        ("4 components of opacity besides", {"appearance.attributes": ["opacity"]}),
        ("K = 5", {"k": 5}),
        ("K = 10", {"k": 10}),
        ("K = 30", {"k": 30}),
        ("K = 35", {"k": 35}),
    ),
    *_changed(
        ("default", {}),
        ("lambda of the SLDC 1", {"local.lambda": 1.0}),
        ("lambda of the SLDC 4", {"local.lambda": 4.0}),
        ("lambda of the SLDC 8", {"local.lambda": 8.0}),
        ("trapezoid map", {"local.map": "trapezoid"}),
        ("hard support, group lasso 0.3", {"local.sparsity": 0.3}),
        ("hard support, group lasso 1", {"local.sparsity": 1.0}),
        ("soft support, no group lasso", {"local.support": "soft"}),
        ("soft support, group lasso 0.3", {"local.support": "soft", "local.sparsity": 0.3}),
        ("soft support, group lasso 1", {"local.support": "soft", "local.sparsity": 1.0}),
        ("level base", {"level": "base"}),
        ("level finest", {"level": None}),
        ("K = 30", {"k": 30}),
        family="local",
    ),
]


def configured(base: Config, changes: Mapping[str, Any]) -> Config:
    """Return the configuration with changes applied; nothing is chosen on held-out views, which are seen at the end."""
    config = replace(base, learned=replace(base.learned, validation_pairs=0, check_every=10**6))
    for key, value in changes.items():
        path = key.split(".") if key.startswith("training.") else ["learned", *key.split(".")]
        value = max(1, round(value * base.learned.steps)) if key == "steps" else value
        config = _changed_value(config, path, value)
    return config


def _changed_value(section: Any, path: Sequence[str], value: Any) -> Any:
    """Return nested dataclasses with the value at `path` replaced."""
    name = "lambda_" if path[0] == "lambda" else path[0]
    inner = value if len(path) == 1 else _changed_value(getattr(section, name), path[1:], value)
    return replace(section, **{name: inner})


def row_of(bench: Bench, variant: Variant) -> dict[str, Any]:
    """Learn one variant and measure it."""
    bench = replace(bench, config=configured(bench.config, variant.changes))
    config = bench.learned
    start: Components | None = None
    if variant.start == "rows":
        start = pca_of_fits(bench, single_fits(bench), config.k)
    elif variant.start == "mesh":
        start = mesh_start(bench, config, variant.family)
    run = learned_rig(bench, config, variant.family, start, variant.seed)
    rig = run.components
    row: dict[str, Any] = {"setting": variant.label, "family": variant.family}
    for split in ("train", "held_out"):
        names = bench.subject.names(split)
        if names:
            weights = rig.W if split == "train" else unseen_weights(bench.comparison(), rig, names)
            table = measured_rig(bench.comparison(), names, split, variant.label, rig, weights)
            row[f"psnr_{split}"] = table.loc[table["region"] == "mask", "psnr"].mean()
    return row | {name: run.costs[name] for name in ("zero_rows", "seconds", "cpu_seconds")}


def part_ablation(bench: Bench) -> None:
    """Learn every variant that `--only` finds, `--jobs` at a time."""
    chosen = [v for v in VARIANTS if re.search(bench.options.only, f"{v.family}: {v.label}")]
    if bench.options.jobs == 1:
        for variant in chosen:
            bench.record("ablation", row_of(bench, variant))
        return
    context = multiprocessing.get_context("spawn")
    arguments = (bench.options, bench.folder, bench.keep)
    with ProcessPoolExecutor(bench.options.jobs, context, _open, arguments) as pool:
        tasks = {pool.submit(_row, variant): variant for variant in chosen}
        for task in as_completed(tasks):
            if task.exception() is None:
                bench.record("ablation", task.result())
            else:
                report(f"{tasks[task].family}: {tasks[task].label}: {task.exception()!r}")


_bench: Bench | None = None
"""In a helping process: what it measures with."""


def _open(*arguments: Any) -> None:
    global _bench
    torch.set_num_threads(1)
    _bench = open_bench(*arguments)


def _row(variant: Variant) -> dict[str, Any]:
    assert _bench is not None  # `_open` ran first
    return row_of(_bench, variant)
