"""Every setting of how a rig is learned, as frozen values."""

from dataclasses import dataclass

from splatrig.config.choices import LearnedFamily, LevelName
from splatrig.fitting.compare_view import RenderOptions
from splatrig.fitting.occlusion import Occlusion
from splatrig.fitting.rates import FINAL_RATE, LEARNING_RATES, Rates, in_millimetres, scaled
from splatrig.fitting.recipe import SIZE_WEIGHT
from splatrig.fitting.schedule import LearningRates
from splatrig.fitting.trainable_rig import RigStart, TrainableRig

RATE_FACTOR = 0.13
"""Fraction of the fits' learning rates for what all components together do to a Gaussian in a frame: one component
moves it in many frames at once. Half and twice this value learn equally good rigs."""
WEIGHT_RATE = 0.02
"""Adam's learning rate at the first step for weights, which are of order 1."""
POSE_RATE = 0.03
"""Adam's learning rate at the first step for head poses, in millimeters: enough for errors of a millimeter, in 70
photographs of a frame."""
COLOR_RATE = 0.002
"""Adam's learning rate at the first step for the colors of cameras, in parts of full scale."""
CHECKS = 10
"""Number of times in a fit that the rig is measured on the validation pairs and its state saved."""


@dataclass(frozen=True)
class LearningOptions:
    """User options for learning a rig: keys of the section `learned`, and the attributes that components move."""

    family: LearnedFamily
    attributes: tuple[str, ...]
    """Attributes that components move; the other attributes belong to the base alone."""
    level: LevelName
    """Subdivision level that components live on."""
    steps: int
    photographs_per_step: int
    """Photographs per step over all processes: a multiple of their number."""
    back_faces: float | None
    """Back-face setting, see `Occlusion`."""
    dropout: float
    """Dropout setting, see `Occlusion`."""
    memory_gib: float
    """Memory of each process for decoded photographs."""

    @property
    def bounded(self) -> bool:
        """Whether weights stay in [0, 1] and components inside their supports."""
        return self.family != "global"


@dataclass(frozen=True)
class LearnedPlan:
    """Hyperparameters of optimizing base, components and weights together."""

    steps: int
    rates: Rates
    """Adam's learning rates at the first step for the basis, in raw units."""
    base_rates: Rates
    """Adam's learning rates at the first step for the base; they may be higher, since all frames and cameras constrain
    it."""
    bounded: bool
    """True: weights in [0, 1] (local components, blendshapes). False: weights of any sign and unit root mean square
    (global)."""
    occlusion: Occlusion
    """Gaussians that are hidden in every step."""
    check_every: int
    """Steps between two measurements on the validation pairs, after which the state is saved."""
    render: RenderOptions
    weight_rate: float = WEIGHT_RATE
    """Adam's learning rate at the first step for weights."""
    pose_rate: float = 0.0
    """Adam's learning rate at the first step for head poses, in millimeters; 0 keeps the tracked poses."""
    color_rate: float = 0.0
    """Adam's learning rate at the first step for the colors of cameras; 0 takes the cameras to be alike."""
    final_rate: float = FINAL_RATE
    """Fraction of every initial learning rate at the last step, at the end of half a cosine."""
    size_weight: float = SIZE_WEIGHT
    """Weight of the size of the Gaussians in the loss, mean (|s| / edge length)⁴."""
    opacity_weight: float = 0.0
    """Weight of the opacity of each free Gaussian in the loss, which lets Gaussians of little use fade out."""

    def learning_rates(self, rig: TrainableRig) -> LearningRates:
        """Return the learning rates of a rig's parameters; a basis is counted in steps at `rates`."""
        base = {f"base_{name}": getattr(self.base_rates, name) for name in rig.base}
        others = {"basis": 1.0, "weights": self.weight_rate, "poses": self.pose_rate, "colors": self.color_rate}
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

    The components' joint effect on a Gaussian is `rate_factor` times that of a per-frame fit, as the RMS over frames:
    steps are shorter where many components act on the Gaussian, and longer where weights are small, as most weights of
    local components are.
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
        color_rate=COLOR_RATE,
    )
