"""The validated configuration as frozen dataclasses, one a stage.

Keys, types, bounds and defaults live in `workflow/schemas/config.schema.yaml` alone; here are the checks that need
more than one key. A key that is a Python keyword gets a trailing underscore (`lambda_`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

from splatrig.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class HeldOut:
    """What measures and never trains."""

    cameras: str | list[str]
    """`every 8th` of the sorted names, or names."""
    expressions: list[str]


@dataclass(frozen=True)
class CaptureConfig:
    """`capture`: where the photographs and tracked meshes come from and which of them are used."""

    source: str
    root: str
    entity: str | None
    url: str
    expressions: str | list[str]
    frames_per_expression: int
    frame_selection: str
    neutral: str
    cameras: str | list[str]
    image_scale: float
    color: str
    background: str
    held_out: HeldOut


@dataclass(frozen=True)
class DemoConfig:
    """`demo`: the size of the synthesised capture."""

    cameras: int
    image_height: int
    samples: int
    frames: int
    tracked_vertices: int
    tracking_noise_mm: float


@dataclass(frozen=True)
class MaskConfig:
    """`mesh.mask`: which vertices are the face."""

    center_vertex: str | int
    fraction: float


@dataclass(frozen=True)
class MeshConfig:
    """`mesh`: subdivision levels and the face mask."""

    subdivisions: int
    mask: MaskConfig


@dataclass(frozen=True)
class Steps:
    """Optimisation steps of the neutral and of every other frame."""

    neutral: int
    frame: int


@dataclass(frozen=True)
class Rates:
    """Learning rates by raw parameter."""

    means: float
    quats: float
    log_scales: float
    logit_opacities: float
    sh0: float
    shN: float


@dataclass(frozen=True)
class TrainingConfig:
    """`training`: the recipe of the fits."""

    recipe: str
    rasterizer: str
    steps: Steps
    rates: Rates
    frame_rate_factor: float
    lambda_dssim: float
    drift_weight: float
    size_weight: float


@dataclass(frozen=True)
class PcaConfig:
    """`components.pca`."""

    k: int


@dataclass(frozen=True)
class MbspcaConfig:
    """`components.mbspca`."""

    k: int
    alpha: float
    level: str


@dataclass(frozen=True)
class GaussSupport:
    """Smooth support map 1 - exp(-d² / 2σ²)."""

    sigma: float


@dataclass(frozen=True)
class TrapezoidSupport:
    """Support map clip((d - d_min) / (d_max - d_min), 0, 1)."""

    d_min: float
    d_max: float


@dataclass(frozen=True)
class SldcConfig:
    """`components.sldc`."""

    k: int
    lambda_: float
    attribute: str
    supports: list[str]
    distance: str
    gauss: GaussSupport
    trapezoid: TrapezoidSupport
    max_iterations: int
    tolerance: float


@dataclass(frozen=True)
class ComponentsConfig:
    """`components`: the families of deformation components."""

    rest: str
    attributes: list[str]
    pca: PcaConfig
    mbspca: MbspcaConfig
    sldc: SldcConfig
    upsample: list[str]


@dataclass(frozen=True)
class RenderingConfig:
    """`rendering`: which components are pictured and how far they are moved."""

    components: int
    deviations: float
    families: list[str]
    animation_frames: int


@dataclass(frozen=True)
class EvaluationConfig:
    """`evaluation`: sizes of the sweeps."""

    ks: list[int]


@dataclass(frozen=True)
class Config:
    """The whole configuration."""

    subject: str
    seed: int
    device: str
    capture: CaptureConfig
    demo: DemoConfig
    mesh: MeshConfig
    training: TrainingConfig
    components: ComponentsConfig
    rendering: RenderingConfig
    evaluation: EvaluationConfig


def from_mapping(cls: type[T], values: Mapping[str, Any]) -> T:
    """Build the frozen dataclass `cls` from a (nested) mapping whose keys are its fields."""
    hints = get_type_hints(cls)
    arguments = {}
    for field in fields(cls):  # type: ignore[arg-type]
        value = values[field.name.rstrip("_")]
        hint = hints[field.name]
        arguments[field.name] = from_mapping(hint, value) if is_dataclass(hint) else value
    return cls(**arguments)


def to_mapping(config: Any) -> dict[str, Any]:
    """Return a config dataclass as plain nested dicts (what Snakemake params hold); inverse of `from_mapping`."""
    return {
        field.name.rstrip("_"): to_mapping(value) if is_dataclass(value := getattr(config, field.name)) else value
        for field in fields(config)
    }


def held_out_cameras(rule: str | Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the held-out cameras: every n-th of the sorted names beginning with the first, or those named."""
    ordered = sorted(names)
    if isinstance(rule, str):
        match = re.fullmatch(r"every (\d+)(?:st|nd|rd|th)", rule)
        if match is None:
            raise InputError(f"capture.held_out.cameras: expected `every 8th` or a list of names, got {rule!r}.")
        return ordered[:: int(match[1])]
    unknown = [name for name in rule if name not in ordered]
    if unknown:
        raise InputError(
            f"capture.held_out.cameras: camera {unknown[0]} does not exist; the capture has {', '.join(ordered)}."
        )
    return sorted(rule)
