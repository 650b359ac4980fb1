"""Recipes: everything that decides how one frame is optimized, as one frozen value."""

from dataclasses import dataclass

from splatrig.config.choices import Recipe
from splatrig.fitting.compare_view import RenderOptions
from splatrig.fitting.rates import FINAL_RATE, LEARNING_RATES, ORIGINAL_RATES, Rates
from splatrig.fitting.schedule import LearningRates

LAMBDA_DSSIM = 0.4
"""Weight of 1 - SSIM in the loss, as in the original recipe; absolute differences have the rest."""
DRIFT_WEIGHT = 0.001
"""Weight of mean (|x - x0| / edge length)⁴: centers stay within about an edge of the tracked mesh."""
SIZE_WEIGHT = 0.001
"""Weight of mean (|s| / edge length)⁴: no Gaussian grows over its neighbors."""


@dataclass(frozen=True)
class Plan:
    """How one frame is fitted."""

    steps: int
    render: RenderOptions
    recipe: Recipe = "warm"
    """What a frame starts from: `warm`, the neutral's Gaussians; `original`, its own mesh and photographs."""
    rates: Rates = LEARNING_RATES
    """Adam's rates at the first step."""
    rate_unit: str = "pixel"
    """Of the rate of centers: `pixel`, what a pixel spans at the head, so that a step is as large in the photographs of
    every capture; `mm`: the original's plain millimeters."""
    schedule: str = "cosine"
    """How the rates fall, see `splatrig.fitting.schedule.LearningRates`."""
    final_rate: float = FINAL_RATE
    """Fraction of the rates that is left at the last step."""
    drift_weight: float = DRIFT_WEIGHT
    size_weight: float = SIZE_WEIGHT
    regularizer_unit: str = "edge"
    """`edge`: lengths over the mean edge length at the Gaussian; `mm`: the original's plain millimeters."""

    @property
    def learning_rates(self) -> LearningRates:
        """The rates of a rig without components."""
        first = {f"base_{name}": getattr(self.rates, name) for name in Rates.__dataclass_fields__}
        return LearningRates(first, self.steps, self.final_rate, self.schedule)


def render_options(background: str, sh_degree: int, rasterizer: str) -> RenderOptions:
    """Return how a capture whose `capture.background` is `background` is rendered and compared with photographs.

    Without plates a random color is behind both while fitting: what the Gaussians leave open costs something.
    """
    return RenderOptions("plate" if background == "plate" else "random", LAMBDA_DSSIM, sh_degree, rasterizer)


def plan_for(recipe: Recipe, steps: int, background: str, sh_degree: int, rasterizer: str) -> Plan:
    """Return the plan of a frame of a capture whose `capture.background` is `background`."""
    if recipe == "warm":
        return Plan(steps, render_options(background, sh_degree, rasterizer))
    return Plan(
        steps,
        RenderOptions("leak", LAMBDA_DSSIM, 3, rasterizer),
        recipe=recipe,
        rates=ORIGINAL_RATES,
        rate_unit="mm",
        schedule="original",
        final_rate=1.0,
        regularizer_unit="mm",
    )
