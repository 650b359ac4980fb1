"""Everything that decides how a rig is learned, as frozen values."""

from dataclasses import dataclass

from splatrig.config.choices import LearnedFamily, LevelName
from splatrig.fitting.compare_view import RenderOptions
from splatrig.fitting.occlusion import Occlusion
from splatrig.fitting.rates import FINAL_RATE, LEARNING_RATES, Rates, in_millimetres, scaled
from splatrig.fitting.recipe import SIZE_WEIGHT
from splatrig.fitting.schedule import LearningRates
from splatrig.fitting.trainable_rig import RigStart, TrainableRig

RATE_FACTOR = 0.13
"""Of the learning rates of fits, for what all components together do to a Gaussian in a frame: one of them moves it in
many frames at once. Half and twice of it learn as good a rig."""
WEIGHT_RATE = 0.02
"""Adam's learning rate at the first step for weights, which are of order 1."""
POSE_RATE = 0.03
"""The same for head poses, in millimeters: far enough for errors of a millimeter, in 70 photographs of a frame."""
CHECKS = 10
"""How many times in a fit the rig is measured on the validation pairs, and its state kept."""


@dataclass(frozen=True)
class LearningOptions:
    """What users choose of how a rig is learned: keys of the section `learned`, and of what components move."""

    family: LearnedFamily
    attributes: tuple[str, ...]
    """What components move; the other attributes belong to the base alone."""
    level: LevelName
    """The subdivision level that components live on."""
    steps: int
    photographs_per_step: int
    """Over all processes: a multiple of their number."""
    back_faces: float | None
    """See `Occlusion`."""
    dropout: float
    """See `Occlusion`."""
    memory_gib: float
    """Of each process, for decoded photographs."""

    @property
    def bounded(self) -> bool:
        """Whether weights stay in [0, 1] and components inside their supports."""
        return self.family != "global"


@dataclass(frozen=True)
class LearnedPlan:
    """How base, components and weights are optimized together."""

    steps: int
    rates: Rates
    """Adam's rates at the first step for the basis, in raw units."""
    base_rates: Rates
    """The same for the base, which all frames and cameras inform: it may go faster."""
    bounded: bool
    """True: weights in [0, 1] (local components, blendshapes). False: any sign, unit root mean square each (global)."""
    occlusion: Occlusion
    """What every step does without."""
    check_every: int
    """Steps between two measurements on the validation pairs, after which the state is kept."""
    render: RenderOptions
    weight_rate: float = WEIGHT_RATE
    """Adam's rate at the first step for weights."""
    pose_rate: float = 0.0
    """Adam's rate at the first step for the poses of heads, millimeters; 0: they stay as tracking has them."""
    final_rate: float = FINAL_RATE
    """Fraction of every first rate that is left at the last step, at the end of half a cosine."""
    size_weight: float = SIZE_WEIGHT
    """Weight of the size of the Gaussians in the loss, mean (|s| / edge length)⁴."""
    opacity_weight: float = 0.0
    """Weight of the opacity of each free Gaussian in the loss, which lets those die that are of little use."""

    def learning_rates(self, rig: TrainableRig) -> LearningRates:
        """Return the rates of a rig's parameters; a basis is counted in steps at `rates`."""
        base = {f"base_{name}": getattr(self.base_rates, name) for name in rig.base}
        others = {"basis": 1.0, "weights": self.weight_rate, "poses": self.pose_rate}
        return LearningRates(base | others, self.steps, self.final_rate)


def learned_plan(
    options: LearningOptions,
    render: RenderOptions,
    start: RigStart,
    pixel_size: float,
    rates: Rates = LEARNING_RATES,
    rate_factor: float = RATE_FACTOR,
) -> LearnedPlan:
    """Return the plan of a rig that starts from `start`; `pixel_size` is the subject's, in millimeters.

    What components do to a Gaussian together is `rate_factor` of what a fit does, in the root mean square over frames:
    where many components reach it their steps are short, and long where weights are small, as most of local ones are.
    """
    base_rates = in_millimetres(rates, pixel_size)
    return LearnedPlan(
        steps=options.steps,
        rates=scaled(base_rates, rate_factor / start.leverage),
        base_rates=base_rates,
        bounded=options.bounded,
        occlusion=Occlusion(options.back_faces, options.dropout),
        check_every=max(1, options.steps // CHECKS),
        render=render,
        pose_rate=POSE_RATE,
    )
