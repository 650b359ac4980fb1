"""Recipes: all settings of how one frame is optimized, as one frozen value."""

from dataclasses import dataclass

from splatrig.config.choices import Recipe
from splatrig.fitting.compare_view import RenderOptions
from splatrig.fitting.rates import FINAL_RATE, LEARNING_RATES, ORIGINAL_RATES, Rates
from splatrig.fitting.schedule import LearningRates

LAMBDA_DSSIM = 0.4
"""Weight of 1 - SSIM in the loss, as in the original recipe; absolute differences have the remaining weight."""
DRIFT_WEIGHT = 0.001
"""Weight of mean (|x - x0| / edge length)⁴, which keeps centers within about an edge of the tracked mesh."""
SIZE_WEIGHT = 0.001
"""Weight of mean (|s| / edge length)⁴, which keeps Gaussians from growing over their neighbors."""


@dataclass(frozen=True)
class Plan:
    """Settings for fitting one frame."""

    steps: int
    render: RenderOptions
    recipe: Recipe = "warm"
    """Initial Gaussians: `warm`, the neutral's; `original`, from the frame's own mesh and photographs."""
    rates: Rates = LEARNING_RATES
    """Adam's learning rates at the first step."""
    rate_unit: str = "pixel"
    """Unit of the learning rate of centers: `pixel`, the width of a pixel at the head, so that a step is equally large
    in the photographs of every capture; `mm`: the original project's plain millimeters."""
    schedule: str = "cosine"
    """Decay of the learning rates, see `splatrig.fitting.schedule.LearningRates`."""
    final_rate: float = FINAL_RATE
    """Fraction of the learning rates at the last step."""
    drift_weight: float = DRIFT_WEIGHT
    size_weight: float = SIZE_WEIGHT
    regularizer_unit: str = "edge"
    """Unit of the regularizers' lengths: `edge`, the mean edge length at the Gaussian; `mm`, the original project's
    plain millimeters."""

    @property
    def learning_rates(self) -> LearningRates:
        """Learning rates of a rig without components."""
        first = {f"base_{name}": getattr(self.rates, name) for name in Rates.__dataclass_fields__}
        return LearningRates(first, self.steps, self.final_rate, self.schedule)


def render_options(background: str, sh_degree: int, rasterizer: str) -> RenderOptions:
    """Return the options for rendering a capture whose `capture.background` is `background`.

    Without plates, a random color is behind rendering and photograph while fitting, so that transparency is penalized.
    """
    return RenderOptions("plate" if background == "plate" else "random", LAMBDA_DSSIM, sh_degree, rasterizer)


def plan_for(recipe: Recipe, steps: int, background: str, sh_degree: int, rasterizer: str) -> Plan:
    """Return the plan for fitting a frame of a capture whose `capture.background` is `background`."""
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
