"""What a step of a learned fit costs: time, kernels and memory, against the size of the rig and of the memory."""

import time
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import torch

from splatrig.fitting.trainable_rig import RigStart
from splatrig.learned.plan import LearningOptions
from splatrig.learned.stage import Subject, rig_start
from support.harness import gpu_work
from support.learned_bench import (
    Bench,
    at_level,
    begun,
    forget_peak,
    kept_start,
    learned_rig,
    now,
    peak_gib,
    still_start,
    with_cameras,
)

STEPS = 100


def part_step(bench: Bench) -> None:
    """Measure steps of several numbers of photographs, all of them decoded; of local components those of two."""
    counts = bench.options.photographs
    for family, batches in (("global", counts), ("local", [count for count in counts if count == 2])):
        for batch in batches:
            options = replace(bench.options_of(family), photographs_per_step=batch)
            start = rig_start(options, bench.subject, kept_start(bench, family))
            costs = step_costs(bench, bench.subject, options, start, profiled=True)
            bench.record("step", {"rig": family, "photographs": batch} | costs)


def step_costs(
    bench: Bench,
    subject: Subject,
    options: LearningOptions,
    start: RigStart,
    *,
    profiled: bool = False,
) -> dict[str, float]:
    """Return milliseconds per step and peak memory when all photographs are decoded.

    `profiled`: also what torch's profiler counts in as many further steps: milliseconds in which the GPU works, its
    kernels and its copies.
    """
    few = np.flatnonzero(np.arange(len(subject.cameras)) % 4 == 1)  # photographs, not what a step costs
    subject = with_cameras(subject, few)
    pairs = len(subject.names("train")) * int((~subject.cameras.held_out).sum())
    on_gpu = torch.cuda.is_available()
    clock = now if on_gpu else time.thread_time  # on a CPU: not of decoding threads, nor of other jobs
    forget_peak()
    with begun(bench, subject, options, start) as (_, step):
        steps = iter(range(10**9))

        def take(count: int) -> None:
            for _ in range(count):
                step(next(steps))

        count = STEPS if on_gpu else 2 if bench.options.smallest else STEPS // 5
        take(max(30, 1 + pairs // options.photographs_per_step) if on_gpu else min(5, count))
        begin = clock()
        take(count)
        costs = {"ms_per_step": 1e3 * (clock() - begin) / count} | peak_gib()
        if profiled and on_gpu:
            work = gpu_work(lambda: take(STEPS))
            costs |= {f"{name}_per_step": value / STEPS for name, value in work.items()}
    return costs


def part_scaling(bench: Bench) -> None:
    """Measure milliseconds per step and memory against K, frames and Gaussians."""

    def measure(what: str, value: int, subject: Subject, options: LearningOptions, k: int = bench.k) -> None:
        costs = step_costs(bench, subject, options, still_start(subject, options, k))
        bench.record("scaling", {"against": what, "value": value} | costs)

    options, finest = bench.options_of("global"), bench.subject.template.finest
    for level in dict.fromkeys(("base", finest)):
        for k in (2, 3) if bench.options.smallest else (10, 20, 50):
            measure(f"K on {level}", k, bench.subject, replace(options, level=level), k)
    rows = bench.subject.frames[bench.subject.frames["role"] == "train"]
    for frames in (8,) if bench.options.smallest else (25, 50, 100):
        # a frame that comes twice has weights and photographs of its own each time
        repeated = pd.concat([rows] * -(-frames // len(rows))).head(frames)
        measure("frames", frames, replace(bench.subject, frames=repeated), options)
    for level in list(bench.subject.template.levels):
        subject = at_level(bench, level)
        lives_on = options.level if options.level in subject.template.levels else level
        measure("Gaussians", len(subject.neutral), subject, replace(options, level=lives_on))


def part_stream(bench: Bench) -> None:
    """Measure how fast photographs are decoded, and whether the GPU waits when few of them fit into memory."""
    names = bench.subject.names("train")
    train = np.flatnonzero(~bench.subject.cameras.held_out)
    pairs = [(frame, int(camera)) for frame in range(len(names)) for camera in train][:400]
    begin = time.perf_counter()
    with bench.subject.photographs(names, bench.device) as photographs:
        photographs.hold(pairs)
        for pair in pairs:
            photographs.view(pair)
            photographs.drop([pair])
    rate = len(pairs) / (time.perf_counter() - begin)
    short = replace(bench.options_of("global"), steps=bench.options.stream_steps)
    for gib in (short.memory_gib, short.memory_gib / 8):
        start = still_start(bench.subject, short, bench.k)
        measured_last = partial(replace, check_every=short.steps)
        run = learned_rig(bench, replace(short, memory_gib=gib), start, adjusted=measured_last)
        bench.record("stream", {"memory": f"{gib:g} GiB", "decoded_per_second": rate, "steps": short.steps} | run.costs)
