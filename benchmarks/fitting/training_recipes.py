"""Parts of training.py that fit single frames in one process: speed, curves, variants of the original."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from unittest.mock import patch

import numpy as np
import torch
from original_step import original_steps
from training_bench import PERFORMANCE, Bench

from splatrig.fitting.fitting import FitContext, first_gaussians, warm_gaussians
from splatrig.fitting.frame_data import FrameData
from splatrig.fitting.frame_fit import fit
from splatrig.fitting.measurement import measure_frame, summary
from splatrig.fitting.recipe import Plan
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.store import read_fitted_frames
from support.harness import Figures, gpu_work
from support.painted_head import NEUTRAL

OPAQUE_LOGIT = 9.0
"""Opacity 0.9999: what `fixed to 1` means where opacities are logits."""


@dataclass(frozen=True)
class Sitting:
    """A moved frame on the device and what its fits start from."""

    data: FrameData
    held_out: FrameData
    """The same with its held-out cameras alone."""
    context: FitContext
    warm_start: Gaussians


def held_out_of(data: FrameData) -> FrameData:
    """Return a frame with its held-out cameras alone."""
    cameras = data.cameras
    views = tuple(view for view, held_out in zip(data.views, cameras.held_out, strict=True) if held_out)
    return replace(data, cameras=cameras.select(cameras.held_out), views=views)


def seat(bench: Bench) -> Sitting:
    """Load the strongest frame of the first expression and carry the neutral there."""
    context, expression = bench.context(bench.fitting.frame_steps), bench.synthesized[0]
    data = context.load(f"{expression}/{bench.frames(expression)[-1]}")
    return Sitting(data, held_out_of(data), context, warm_gaussians(context, data.vertices, bench.neutral))


def psnr_of(gaussians: Gaussians, held_out: FrameData, plan: Plan) -> float:
    """Return the held-out PSNR in the mask, dB."""
    return summary(measure_frame(gaussians, held_out, plan.render))["psnr"]


def steps_a_second(fitted: Callable[[int], None], lengths: tuple[int, int]) -> float:
    """Return the rate of steps from the difference of two runs; a first short run compiles."""
    fitted(lengths[0])
    seconds = []
    for steps in lengths:
        _wait()
        begin = time.perf_counter()
        fitted(steps)
        _wait()
        seconds.append(time.perf_counter() - begin)
    return (lengths[1] - lengths[0]) / (seconds[1] - seconds[0])


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak_of(call: Callable[[], float]) -> tuple[float, float]:
    """Return the value of `call` and the GiB of GPU memory that it brought the allocator to at most."""
    if not torch.cuda.is_available():
        return call(), 0.0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    value = call()
    return value, torch.cuda.max_memory_allocated() / 2**30


def part_speed(bench: Bench) -> None:
    """Time the steps of both recipes, and of the original's own step, in one process."""
    figures, lengths = bench.figures, bench.lengths
    sitting = seat(bench)
    data, surface = sitting.data, sitting.context.edge_lengths

    def rate(what: str, start: Gaussians, plan: Plan) -> None:
        def fitted(steps: int) -> None:
            fit(start, data, surface, replace(plan, steps=steps), 0)

        value, peak = peak_of(lambda: steps_a_second(fitted, lengths.timed))
        _add_speed(figures, f"{what} ({plan.render.rasterizer})", value, peak)

    rate("warm", sitting.warm_start, sitting.context.plan)
    if torch.cuda.is_available():
        with patch("splatrig.fitting.frame_fit.can_replay", return_value=False):
            rate("warm, without CUDA graphs", sitting.warm_start, sitting.context.plan)
        plans = [replace(sitting.context.plan, steps=steps) for steps in lengths.timed]
        few, many = (gpu_work(partial(fit, sitting.warm_start, data, surface, plan, 0)) for plan in plans)
        work = {name: (many[name] - few[name]) / (lengths.timed[1] - lengths.timed[0]) for name in many}
        figures.add("warm: work of the GPU in a step", work["gpu_ms"], "ms")
        figures.add("warm: kernels of a step", work["kernels"], "")
        figures.add("warm: speed that the GPU's own work would allow", 1e3 / work["gpu_ms"], "steps/s")
    original = bench.context(bench.fitting.original_steps, "original", original_rasterizer())
    start = first_gaussians(original, data)
    rate("original recipe in splatrig", start, original.plan)
    if original_rasterizer() == "auto":
        figures.say("the original's own step is left out: it needs a CUDA GPU and diff_gaussian_rasterization")
        return
    value, peak = peak_of(lambda: steps_a_second(lambda steps: original_steps(start, data, steps), lengths.timed))
    _add_speed(figures, "the original's own step", value, peak)
    frames = PERFORMANCE[0] * PERFORMANCE[1]
    minutes = frames * 10_000 / value / 60
    figures.add(f"{frames} frames by the original, 10,000 steps each, steps alone", minutes, "min")
    ours = [float(row["value"]) for row in figures.rows if "extrapolated" in str(row["what"])]  # type: ignore[arg-type]
    if ours:
        figures.add("ratio to the warm recipe with everything", minutes / min(ours), "times")


def _add_speed(figures: Figures, what: str, rate: float, peak_gib: float) -> None:
    figures.add(f"{what}: speed", rate, "steps/s")
    if torch.cuda.is_available():
        figures.add(f"{what}: peak GPU memory", peak_gib, "GiB")


def original_rasterizer() -> str:
    """Return the original's rasterizer where it is installed and there is a GPU for it, else the best that there is."""
    installed = find_spec("diff_gaussian_rasterization") is not None
    return "diff_gaussian_rasterization" if torch.cuda.is_available() and installed else "auto"


def original_variants(start: Gaussians, plan: Plan) -> dict[str, tuple[Gaussians, Plan]]:
    """Return every variant of the original recipe: what it starts from and its plan."""
    opaque = replace(start, logit_opacities=np.full_like(start.logit_opacities, OPAQUE_LOGIT))
    still = replace(plan, rates=replace(plan.rates, logit_opacities=0.0))
    variants = {}
    for name, gaussians, own in (("opacity as released", start, plan), ("opacity fixed to 1", opaque, still)):
        for backdrop in ("leak", "random", "black"):
            variants[f"{name}, {backdrop}"] = (gaussians, replace(own, render=replace(own.render, backdrop=backdrop)))
    return variants


def part_variants(bench: Bench, full: int) -> None:
    """Fit one frame by every variant of the original recipe; or (`full`) by the best and the released in full."""
    figures = bench.figures
    context = bench.context(bench.fitting.original_steps, "original", "auto")
    expression = bench.synthesized[0]
    name = bench.frames(expression)[-1]
    data = context.load(f"{expression}/{name}")
    held_out = held_out_of(data)
    variants = original_variants(first_gaussians(context, data), context.plan)
    steps = context.plan.steps if full else bench.lengths.variants
    chosen, warm = list(variants), 0.0
    if full:
        fitted = read_fitted_frames(bench.folder / "gaussians" / f"{expression}.h5").metrics
        warm = summary(fitted[fitted["frame"].astype(str).str.zfill(6) == name])["psnr"]
        figures.add(f"warm on {expression}/{name}", warm, "dB")
        measured = {
            what: figures.value(f"original recipe, {what}, {bench.lengths.variants} steps") or 0.0 for what in chosen
        }
        best = (
            max(measured, key=lambda what: measured[what]) if any(measured.values()) else "opacity fixed to 1, random"
        )
        chosen = [best, chosen[0]][:full]
    for what in chosen:
        start, plan = variants[what]
        plan = replace(plan, steps=steps)
        result = fit(start, data, context.edge_lengths, plan, 0)
        value = psnr_of(result.gaussians, held_out, plan)
        remark = f"{result.seconds:.1f} s, {steps / result.seconds:.0f} steps/s"
        figures.add(f"original recipe, {what}, {steps} steps", value, "dB", remark)
        if full:
            figures.add(f"warm less original recipe, {what}, {steps} steps", warm - value, "dB more")


def part_curves(bench: Bench) -> None:
    """Fit the neutral and a warm frame with several numbers of steps."""
    figures = bench.figures
    sitting = seat(bench)
    plan = sitting.context.plan
    for steps in bench.lengths.frame_curve:
        own = replace(plan, steps=steps)
        result = fit(sitting.warm_start, sitting.data, sitting.context.edge_lengths, own, 0)
        value = psnr_of(result.gaussians, sitting.held_out, own)
        figures.add(f"warm frame, {steps} steps", value, "dB", f"{result.seconds:.2f} s")
    del sitting
    context = bench.context(bench.fitting.neutral_steps)
    data = context.load(f"{NEUTRAL}/{bench.frames(NEUTRAL)[0]}")
    held_out, start = held_out_of(data), first_gaussians(context, data)
    for steps in bench.lengths.neutral_curve:
        own = replace(context.plan, steps=steps)
        result = fit(start, data, context.edge_lengths, own, 0)
        value = psnr_of(result.gaussians, held_out, own)
        figures.add(f"neutral, {steps} steps", value, "dB", f"{result.seconds:.2f} s")
