"""Short labels of components, next to a slider or below a film."""

import re

ALIKE = 0.5
"""Correlation with a face unit below which the unit is not used in a label."""

SAYS_NOTHING = ("whole head", "still")
"""Regions that are less informative than the unit or the expression."""


def component_label(name: str) -> tuple[str, str]:
    """Return a component's label for its slider, and a further hint, which may be empty.

    `LEARNED 04 · mouth left · E010_Smile_Stretched, E011_… · mouthSmileLeft 0.91`: `04 mouth left`, `smile stretched`.
    For a component that moves the whole head, the most similar face unit or, without one, the expression replaces the
    region: `02 eye blink left`. A name that splatrig did not assign is returned unchanged.
    """
    number, *parts = name.split(" · ")
    if not parts:
        return name, ""
    number, place = number.rpartition(" ")[2], parts[0]
    expression = _words(parts[1].split(",")[0].partition("_")[2]) if len(parts) > 1 else ""
    if place not in SAYS_NOTHING:
        return f"{number} {place}", expression
    unit, _, alike = parts[2].rpartition(" ") if len(parts) > 2 else ("", "", "")
    told = _words(unit) if unit and _number(alike) >= ALIKE else expression
    return f"{number} {told or place}", place if told else ""


def caption_of(name: str) -> str:
    """Return the caption of a film while a component moves: its label and hint, `04 mouth left · smile`."""
    return " · ".join(filter(None, component_label(name)))


def _words(name: str) -> str:
    """Return `mouthSmileLeft` or `Smile_Stretched` as lowercase words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.replace("_", " ")).lower()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
