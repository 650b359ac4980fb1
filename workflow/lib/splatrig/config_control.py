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
class ControlConfig:
    """`control`: how people pose and animate the head."""

    families: list[str]
    percentiles: list[float]
    rate: float
    frame_numbers_per_second: float
    ridge: float
    tour: ControlTour
    smoothing: ControlSmoothing
    segments: list[str]
    web_head: bool
