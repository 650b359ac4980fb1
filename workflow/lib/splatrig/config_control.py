"""The section `control` of the configuration; see `splatrig.config`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ControlTour:
    """`control.tour`: the track through all expressions."""

    move_s: float
    hold_s: float


@dataclass(frozen=True)
class ControlSmoothing:
    """`control.smoothing`: of tracks that were fitted frame by frame."""

    method: str
    width_s: float


@dataclass(frozen=True)
class ControlDrag:
    """`control.drag`: how willing components are when a point is dragged."""

    ridge: float
    """Penalty of one usual weight, relative to the squared millimetres that all usual weights together move a pin."""
    locality_mm: float
    """Distance at which the penalty of a local component is four times that of one centred at the point."""
    reach: float
    """Weights without limits stay within their slider's range times this."""
    global_cost: float
    """Penalty of components of weights without limits, relative to local ones that are centred at the point."""


@dataclass(frozen=True)
class ControlConfig:
    """`control`: how people pose and animate the head."""

    families: list[str]
    percentiles: list[float]
    rate: float
    frame_numbers_per_second: float
    ridge: float
    tour: ControlTour
    smoothing: ControlSmoothing
    drag: ControlDrag
    segments: list[str]
    web_head: bool
