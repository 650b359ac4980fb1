"""How far the raw parameters of Gaussians may go in one step of Adam."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Rates:
    """Learning rates by raw parameter, at the first step."""

    means: float
    """Millimeters, or what a pixel spans at the head (`Plan.rate_unit`)."""
    quats: float
    """Of quaternions of any length, normalized when they are used."""
    log_scales: float
    """Natural logarithm of millimeters."""
    logit_opacities: float
    sh0: float
    """The color that all directions share."""
    shN: float
    """The colors that depend on the direction."""


LEARNING_RATES = Rates(means=0.09, quats=0.005, log_scales=0.02, logit_opacities=0.02, sh0=0.02, shN=0.00025)
"""Rates of fits and of the base of learned rigs; centers move by pixels, so that they suit photographs of any size."""
ORIGINAL_RATES = Rates(means=1.6e-6, quats=0.001, log_scales=0.005, logit_opacities=1e-4, sh0=0.0025, shN=0.0025 / 20)
"""Learning rates of the original recipe; centers move by millimeters."""
FINAL_RATE = 0.02
"""Fraction of every rate that is left at the last step, at the end of half a cosine."""


def in_millimetres(rates: Rates, pixel_size: float) -> Rates:
    """Return `rates` whose centers move by pixels as rates whose centers move by millimeters, `pixel_size` each."""
    return replace(rates, means=rates.means * pixel_size)


def scaled(rates: Rates, factor: float) -> Rates:
    """Return `rates` times `factor`."""
    return Rates(**{name: getattr(rates, name) * factor for name in Rates.__dataclass_fields__})
