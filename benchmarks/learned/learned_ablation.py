"""The ablation of rigs learned through the rasterizer: a table of variants, each the configuration with few changes."""

import multiprocessing
import re
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch

from splatrig.config.choices import LearnedFamily
from splatrig.fitting.rates import scaled
from splatrig.learned.compare import Posing, measured_rig, unseen
from splatrig.learned.plan import LearnedPlan
from splatrig.learned.stage import rig_start
from support.learned_bench import Bench, learned_rig, mesh_start, open_bench, report


@dataclass(frozen=True)
class Variant:
    """One row of the table."""

    label: str
    family: LearnedFamily = "global"
    options: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `LearningOptions` and their values; of `steps` the factor."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Factors of learning rates: of `components`, of the `base`, of `means` in both, of `weights`."""
    start: Mapping[str, Any] = field(default_factory=dict)
    """What `mesh_start` takes otherwise."""
    seed: int = 0


FINEST = "finest"
"""As a level: the finest that the capture has."""

VARIANTS = [
    Variant("default"),
    Variant("default, seed 1", seed=1),
    Variant("default, seed 2", seed=2),
    Variant("steps x 0.4", options={"steps": 0.4}),
    Variant("steps x 2", options={"steps": 2.0}),
    Variant("steps x 4", options={"steps": 4.0}),
    Variant("batch: 2 frames, as many photographs", options={"photographs_per_step": 2, "steps": 0.5}),
    Variant("batch: 2 frames", options={"photographs_per_step": 2}),
    Variant("components' rates x 0.33", rates={"components": 0.33}),
    Variant("components' rates x 2", rates={"components": 2.0}),
    Variant("components' rates x 3", rates={"components": 3.0}),
    Variant("centers' rate 0.03 pixels", rates={"means": 1 / 3}),
    Variant("centers' rate 0.3 pixels", rates={"means": 10 / 3}),
    Variant("base's rates x 0.3", rates={"base": 0.3}),
    Variant("base fixed at the neutral fit", rates={"base": 0.0}),
    Variant("weights fixed", rates={"weights": 0.0}),
    Variant("weights' rate x 4", rates={"weights": 4.0}),
    Variant("level base", options={"level": "base"}),
    Variant("level subd1", options={"level": "subd1"}),
    Variant("level finest", options={"level": FINEST}),
    Variant("nothing hidden", options={"back_faces": None, "dropout": 0.0}),
    Variant("nothing hidden, level finest", options={"back_faces": None, "dropout": 0.0, "level": FINEST}),
    Variant("back faces hidden, no dropout", options={"back_faces": 0.2, "dropout": 0.0}),
    Variant("dropout, back faces shown", options={"back_faces": None, "dropout": 0.1}),
    Variant("back faces hidden and dropout", options={"back_faces": 0.2, "dropout": 0.1}),
    Variant("moves xyz", options={"attributes": ("xyz",)}),
    Variant("moves xyz, f_dc", options={"attributes": ("xyz", "f_dc")}),
    Variant("moves opacity besides", options={"attributes": ("xyz", "f_dc", "rotation", "scale", "opacity")}),
    Variant("moves f_rest besides", options={"attributes": ("xyz", "f_dc", "rotation", "scale", "f_rest")}),
    Variant("K = 5", start={"k": 5}),
    Variant("K = 10", start={"k": 10}),
    Variant("K = 30", start={"k": 30}),
    Variant("K = 35", start={"k": 35}),
    Variant("default", "local"),
    Variant("components' rates x 0.33", "local", rates={"components": 0.33}),
    Variant("components' rates x 2", "local", rates={"components": 2.0}),
    Variant("components' rates x 3", "local", rates={"components": 3.0}),
    Variant("lambda of the SLDC 1", "local", start={"lambda_": 1.0}),
    Variant("lambda of the SLDC 4", "local", start={"lambda_": 4.0}),
    Variant("lambda of the SLDC 8", "local", start={"lambda_": 8.0}),
    Variant("trapezoid map", "local", start={"support": "trapezoid"}),
    Variant("level base", "local", options={"level": "base"}),
    Variant("level finest", "local", options={"level": FINEST}),
    Variant("K = 30", "local", start={"k": 30}),
]


def with_rates(factors: Mapping[str, float], plan: LearnedPlan) -> LearnedPlan:
    """Return a plan whose learning rates are multiplied as `Variant.rates` says."""
    means = factors.get("means", 1.0)
    components, base = (
        scaled(plan.rates, factors.get("components", 1.0)),
        scaled(plan.base_rates, factors.get("base", 1.0)),
    )
    return replace(
        plan,
        rates=replace(components, means=components.means * means),
        base_rates=replace(base, means=base.means * means),
        weight_rate=plan.weight_rate * factors.get("weights", 1.0),
    )


def row_of(bench: Bench, variant: Variant) -> dict[str, Any]:
    """Learn one variant and measure it."""
    options, changes = bench.options_of(variant.family), dict(variant.options)
    if "steps" in changes:
        changes["steps"] = max(1, round(changes["steps"] * options.steps))
    if changes.get("level") == FINEST:
        changes["level"] = bench.subject.template.finest
    options = replace(options, **changes)
    start = rig_start(options, bench.subject, mesh_start(bench, variant.family, **variant.start))
    run = learned_rig(bench, options, start, variant.seed, partial(with_rates, variant.rates))
    rig = run.components
    row: dict[str, Any] = {"setting": variant.label, "family": variant.family}
    for split in ("train", "held_out"):
        names = bench.subject.names(split)
        if names:
            posing = Posing.learned(rig) if split == "train" else unseen(bench.comparison(), rig, names)
            table = measured_rig(bench.comparison(), names, split, variant.label, rig, posing)
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
