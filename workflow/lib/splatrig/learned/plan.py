"""Everything that decides how a rig is learned, as one frozen value."""

import math
from dataclasses import dataclass

from splatrig.config.models import Rates
from splatrig.fitting.compare_view import RenderOptions
from splatrig.learned.occlusion import Occlusion
from splatrig.learned.schedule import Batch


@dataclass(frozen=True)
class JointPlan:
    """How base, components and weights are optimised together."""

    steps: int
    batch: Batch
    rates: Rates
    """Adam's rates at the first step for the basis, in raw units."""
    base_rates: Rates
    """The same for the base, which all frames and cameras inform: it may go faster."""
    weight_rate: float
    """Adam's rate at the first step for weights, which are of order 1."""
    final_rate: float
    """Share of every first rate that is left at the last step, at the end of half a cosine."""
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
    patience: int
    """Measurements without an improvement after which the fit stops; 0: never before the last step."""
    render: RenderOptions
    size_weight: float
    """Weight of the size of the Gaussians in the loss, mean (|s| / edge length)⁴."""

    def share(self, step: int) -> float:
        """Return the share of the first rates at `step`, counted from 0."""
        return self.final_rate + (1.0 - self.final_rate) * 0.5 * (1.0 + math.cos(math.pi * step / max(1, self.steps)))


def scaled(rates: Rates, factor: float) -> Rates:
    """Return `rates` times `factor`."""
    return Rates(**{name: getattr(rates, name) * factor for name in Rates.__dataclass_fields__})
