"""Recipes: everything that decides how one frame is optimised, as one frozen value."""

from dataclasses import dataclass, replace

from splatrig.config.models import Rates, TrainingConfig
from splatrig.fitting.compare_view import RenderOptions
from splatrig.fitting.schedule import LearningRates

ORIGINAL_RATES = Rates(means=1.6e-6, quats=0.001, log_scales=0.005, logit_opacities=1e-4, sh0=0.0025, shN=0.0025 / 20)
"""Learning rates of the original recipe."""
ORIGINAL_OPACITY = 0.1
"""Initial opacity of the original recipe."""


@dataclass(frozen=True)
class Plan:
    """How one frame is fitted."""

    steps: int
    rates: Rates
    """Adam's rates at the first step."""
    rate_unit: str
    """Of the rate of centres: `pixel`, what a pixel spans at the head, so that a step is as large in the photographs of
    every capture; `mm`: the original's plain millimetres."""
    schedule: str
    """How the rates fall, see `splatrig.fitting.schedule.LearningRates`."""
    final_rate: float
    """Fraction of the rates that is left at the last step."""
    drift_weight: float
    size_weight: float
    regularizer_unit: str
    """`edge`: lengths over the mean edge length at the Gaussian; `mm`: the original's plain millimetres."""
    render: RenderOptions
    plateau: float = 0.0
    """Relative fall of the loss, over the epochs that `frame_fit.PLATEAU_EPOCHS` counts, below which the rest of the
    fit is left out up to the last quarter of its schedule; 0: never."""

    @property
    def learning_rates(self) -> LearningRates:
        """The rates of a rig without components."""
        first = {f"base_{name}": getattr(self.rates, name) for name in Rates.__dataclass_fields__}
        return LearningRates(first, self.steps, self.final_rate, self.schedule)


def in_millimetres(rates: Rates, pixel_size: float) -> Rates:
    """Return `rates` whose centres move by pixels as rates whose centres move by millimetres, `pixel_size` each."""
    return replace(rates, means=rates.means * pixel_size)


def render_options(config: TrainingConfig, background: str) -> RenderOptions:
    """Return how a capture whose `capture.background` is `background` is rendered and compared."""
    if config.recipe == "original":
        return RenderOptions("leak", config.lambda_dssim, 3, config.rasterizer)
    backdrop = "plate" if background == "plate" else config.backdrop
    return RenderOptions(backdrop, config.lambda_dssim, config.sh_degree, config.rasterizer)


def scaled(rates: Rates, factor: float) -> Rates:
    """Return `rates` times `factor`."""
    return Rates(**{name: getattr(rates, name) * factor for name in Rates.__dataclass_fields__})


def plan_for(config: TrainingConfig, kind: str, background: str) -> Plan:
    """Return the plan for `kind` (`neutral` or `frame`) of a capture whose `capture.background` is `background`."""
    original, neutral = config.recipe == "original", kind == "neutral"
    steps = config.steps.neutral if neutral else config.steps.frame
    rates = config.rates if neutral else scaled(config.rates, config.frame_rate_factor)
    return Plan(
        steps=config.original_steps if original else steps,
        rates=ORIGINAL_RATES if original else rates,
        rate_unit="mm" if original else "pixel",
        schedule="original" if original else "cosine",
        final_rate=1.0 if original else config.final_rate,
        drift_weight=config.drift_weight,
        size_weight=config.size_weight,
        regularizer_unit="mm" if original else "edge",
        render=render_options(config, background),
        plateau=0.0 if original else config.plateau,
    )
