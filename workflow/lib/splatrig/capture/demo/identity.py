"""Who the demo person is: weights of MakeHuman's identity targets, found by eye."""

from types import MappingProxyType

IDENTITY = MappingProxyType(
    {
        "macrodetails/caucasian-male-young": 0.5,
        "macrodetails/african-male-young": 0.25,
        "macrodetails/asian-male-young": 0.25,
        "asym/asym-brown-1-l": 0.35,
        "asym/asym-cheek-1-r": 0.4,
        "asym/asym-eye-3-l": 0.25,
        "asym/asym-jaw-1-r": 0.3,
        "asym/asym-mouth-1-l": 0.25,
        "asym/asym-nose-1-r": 0.3,
        "asym/asym-ear-1-l": 0.4,
    }
)
"""Weight by target, in the order in which the head file holds them."""
