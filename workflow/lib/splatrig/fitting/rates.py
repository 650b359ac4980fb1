"""Learning rates of the raw parameters of Gaussians."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Rates:
    """Learning rates at the first step, by raw parameter."""

    means: float
    """Learning rate of centers in millimeters, or in widths of a pixel at the head (`Plan.rate_unit`)."""
    quats: float
    """Learning rate of quaternions, which are normalized when they are used."""
    log_scales: float
    """Learning rate of the natural logarithm of scales in millimeters."""
    logit_opacities: float
    sh0: float
    """Learning rate of the color that is the same from all directions."""
    shN: float
    """Learning rate of the view-dependent color."""


LEARNING_RATES = Rates(means=0.09, quats=0.005, log_scales=0.02, logit_opacities=0.02, sh0=0.02, shN=0.00025)
"""Learning rates of fits and of the base of learned rigs; those of centers are in pixels, to suit photographs of any
size."""
ORIGINAL_RATES = Rates(means=1.6e-6, quats=0.001, log_scales=0.005, logit_opacities=1e-4, sh0=0.0025, shN=0.0025 / 20)
"""Learning rates of the original recipe; those of centers are in millimeters."""
FINAL_RATE = 0.02
"""Fraction of every initial learning rate at the last step, at the end of half a cosine."""


def in_millimetres(rates: Rates, pixel_size: float) -> Rates:
    """Return `rates` with the learning rate of centers converted from pixels to millimeters, `pixel_size` each."""
    return replace(rates, means=rates.means * pixel_size)


def scaled(rates: Rates, factor: float) -> Rates:
    """Return `rates` times `factor`."""
    return Rates(**{name: getattr(rates, name) * factor for name in Rates.__dataclass_fields__})
