"""Everything that decides how a rig is learned, as one frozen value."""

from dataclasses import dataclass

from splatrig.config.models import Rates
from splatrig.fitting.compare_view import RenderOptions
from splatrig.fitting.occlusion import Occlusion
from splatrig.fitting.schedule import LearningRates
from splatrig.fitting.trainable_rig import TrainableRig
from splatrig.io.errors import InputError


@dataclass(frozen=True)
class LearnedPlan:
    """How base, components and weights are optimised together."""

    steps: int
    rates: Rates
    """Adam's rates at the first step for the basis, in raw units."""
    base_rates: Rates
    """The same for the base, which all frames and cameras inform: it may go faster."""
    weight_rate: float
    """Adam's rate at the first step for weights, which are of order 1."""
    final_rate: float
    """Fraction of every first rate that is left at the last step, at the end of half a cosine."""
    bounded: bool
    """True: weights in [0, 1] (local components). False: any sign, unit root mean square a component (global)."""
    ridge: float
    """Weight of mean(w²) in the loss."""
    smoothness: float
    """Weight of the mean squared difference of weights between neighbours in a segment, per frame number."""
    sparsity: float
    """Group-lasso pull on a row of the basis, in shares of one step of Adam; 0: none."""
    occlusion: Occlusion
    """What every step does without."""
    check_every: int
    """Steps between two measurements on the validation pairs."""
    render: RenderOptions
    size_weight: float
    """Weight of the size of the Gaussians in the loss, mean (|s| / edge length)⁴."""

    def learning_rates(self, rig: TrainableRig) -> LearningRates:
        """Return the rates of a rig's parameters; a basis is counted in steps at `rates`.

        Raises InputError where the rate of a field that components move is not above 0.
        """
        for name in rig.driven:
            if not getattr(self.rates, name) > 0:
                raise InputError(
                    f"training.rates.{name}: got 0, expected more than 0, since learned components move it."
                )
        base = {f"base_{name}": getattr(self.base_rates, name) for name in rig.base}
        bases = {f"basis_{index}": 1.0 for index in range(len(rig.blocks))}
        return LearningRates(base | bases | {"weights": self.weight_rate}, self.steps, self.final_rate)
