"""What the parts of benchmarks/fitting/training.py share: the capture on disk and how it is fitted."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from splatrig.config.choices import Recipe
from splatrig.config.models import Fitting
from splatrig.dataset.dataset import Dataset
from splatrig.dataset.decoding import cores
from splatrig.dataset.frames import read_chosen_frames
from splatrig.fitting.fitting import FitContext, first_gaussians
from splatrig.fitting.frame_fit import fit
from splatrig.fitting.recipe import plan_for
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.store import read_fitted_frames
from splatrig.jobs.device import choose_device
from splatrig.mesh.template import read_template
from support.harness import Figures
from support.painted_head import NEUTRAL

SUBJECT = "bench"
PERFORMANCE = (66, 5)
"""Expressions and frames of each of a whole performance, to which times are extrapolated."""


@dataclass(frozen=True)
class Lengths:
    """How many steps each part takes."""

    timed: tuple[int, int]
    """Steps a second are taken from the difference of two fits of these lengths."""
    variants: int
    neutral_curve: tuple[int, ...]
    frame_curve: tuple[int, ...]


@dataclass(frozen=True)
class Bench:
    """The capture and how it is fitted."""

    work: Path
    """Where Snakemake runs: it holds results/ and logs/."""
    fitting: Fitting
    lengths: Lengths
    figures: Figures
    device: str

    @property
    def folder(self) -> Path:
        """The results of the subject."""
        return self.work / "results" / SUBJECT

    @property
    def performed(self) -> list[str]:
        """The expressions of five frames."""
        return sorted(path.stem for path in (self.folder / "frames").glob("P*.csv"))

    @property
    def synthesized(self) -> list[str]:
        """The expressions of two frames."""
        return sorted(path.stem for path in (self.folder / "frames").glob("E*.csv") if path.stem != NEUTRAL)

    def frames(self, expression: str) -> list[str]:
        """Return the frames of an expression."""
        return read_chosen_frames(self.folder / "frames" / f"{expression}.csv")["frame"].tolist()

    def context(self, steps: int, recipe: Recipe = "warm", rasterizer: str | None = None) -> FitContext:
        """Return what fits of this process by one recipe share."""
        rasterizer = rasterizer or self.fitting.rasterizer
        return FitContext(
            dataset=Dataset.open(self.folder / "dataset" / "cameras.json"),
            template=read_template(self.folder / "template" / "template.h5"),
            plan=plan_for(recipe, steps, "silhouette", self.fitting.sh_degree, rasterizer),
            seed=0,
            device=choose_device(self.device, cores()),
            workers=cores(),
        )

    @cached_property
    def neutral(self) -> Gaussians:
        """The fitted neutral: of the job if there was one, else fitted in this process."""
        path = self.folder / "gaussians" / "neutral.h5"
        if path.exists():
            return read_fitted_frames(path).gaussians[0]
        context = self.context(self.fitting.neutral_steps)
        data, plan = context.load(f"{NEUTRAL}/{self.frames(NEUTRAL)[0]}"), context.plan
        fitted = fit(first_gaussians(context, data), data, context.edge_lengths, plan, 0)
        self.figures.add("neutral, fitted in this process", fitted.seconds, "s", f"{plan.steps} steps")
        return fitted.gaussians
