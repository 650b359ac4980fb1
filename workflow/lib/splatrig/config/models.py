"""The validated configuration as frozen dataclasses, one a stage.

Keys, types, bounds and defaults live in `workflow/schemas/config.schema.yaml` alone, the checks of
a run's configuration in `splatrig.config.checks`. A key that is a Python keyword gets a trailing underscore.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from splatrig.config.choices import (
    AppearanceAttribute,
    Axes,
    Backdrop,
    Background,
    CameraPath,
    Checksums,
    ColorCorrection,
    DataMatrixStorage,
    DemoPerson,
    Device,
    ExtraAsset,
    FrameSelection,
    Holes,
    JointFamily,
    JointStart,
    JointSupport,
    LevelName,
    PcaWeights,
    Recipe,
    Rest,
    Smoothing,
)
from splatrig.config.sldc import SldcConfig

LEVEL_NAMES: tuple[str, ...] = get_args(LevelName)
"""Subdivision levels by name; level l has the vertices of level l-1 first, then one per edge."""

T = TypeVar("T")


@dataclass(frozen=True)
class HeldOut:
    """What measures and never trains."""

    cameras: str | list[str]
    """`every 8th` of the sorted names, or names."""
    expressions: list[str]


@dataclass(frozen=True)
class PlateConfig:
    """`capture.plate`: how the background of each camera is found."""

    frames: int
    margin: float


@dataclass(frozen=True)
class DownloadConfig:
    """`capture.download`: how archives are fetched; it changes no byte of them."""

    parallel: int
    retries: int
    timeout: float
    max_archive_gb: float
    keep_archives: bool
    extra_assets: list[ExtraAsset]
    links: str | None
    checksums: Checksums


@dataclass(frozen=True)
class CaptureConfig:
    """`capture`: where the photographs and tracked meshes come from and which of them are used."""

    source: str
    """A file of workflow/rules/sources."""
    root: str
    entity: str | None
    url: str
    expressions: str | list[str]
    frames_per_expression: int
    frame_selection: FrameSelection
    neutral: str
    cameras: str | list[str]
    image_scale: float
    landmarks: str | None
    """A table of the neutral's landmarks to take instead of finding them."""
    color: ColorCorrection
    background: Background
    plate: PlateConfig
    holes: Holes
    download: DownloadConfig
    held_out: HeldOut


@dataclass(frozen=True)
class DemoConfig:
    """`demo`: who is synthesised, and the size of the capture."""

    person: DemoPerson
    cameras: int
    image_height: int
    samples: int
    frames: int
    tracked_vertices: int
    tracking_noise_mm: float


@dataclass(frozen=True)
class MaskConfig:
    """`mesh.mask`: which vertices are the face."""

    center_vertex: Literal["auto"] | int
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
class InitialShape:
    """How large, flat and opaque the first Gaussians of the neutral are."""

    tangent_scale: float
    """Standard deviation along the surface, in mean edge lengths."""
    normal_scale: float
    """Standard deviation along the normal, in mean edge lengths."""
    opacity: float


@dataclass(frozen=True)
class Refit:
    """When a frame is fitted once more because it came out far worse than the others of its expression."""

    below_db: float
    """Training-camera PSNR in the mask below the median of the others by more than this; 0: never."""
    steps_factor: float
    """Times the steps of other frames."""


@dataclass(frozen=True)
class TrainingConfig:
    """`training`: the recipe of the fits."""

    recipe: Recipe
    rasterizer: str
    """`auto` or a name of `splatrig.config.rasterizers.BACKENDS`."""
    steps: Steps
    rates: Rates
    frame_rate_factor: float
    final_rate: float
    sh_degree: int
    backdrop: Backdrop
    initial: InitialShape
    seed_steps: int
    plateau: float
    refit: Refit
    checkpoint_steps: int
    lambda_dssim: float
    drift_weight: float
    size_weight: float


@dataclass(frozen=True)
class PcaConfig:
    """`components.pca`."""

    k: int
    weights: PcaWeights


@dataclass(frozen=True)
class MbspcaConfig:
    """`components.mbspca`."""

    k: int
    alpha: float
    level: LevelName


@dataclass(frozen=True)
class ComponentsConfig:
    """`components`: the families of deformation components."""

    rest: Rest
    attributes: list[str]
    data_matrix: DataMatrixStorage
    units: str | None
    pca: PcaConfig
    mbspca: MbspcaConfig
    sldc: SldcConfig
    upsample: list[LevelName]


@dataclass(frozen=True)
class RenderingConfig:
    """`rendering`: which components are pictured and how far they are moved."""

    components: int
    deviations: float
    families: list[str]
    image_height: int
    animation_frames: int
    follow_skin: bool


@dataclass(frozen=True)
class EvaluationConfig:
    """`evaluation`: sizes of the sweeps."""

    ks: list[int]
    lambdas: list[float]
    level: LevelName
    joint_folds: int
    """Expressions that learned rigs are learned without, one at a time."""


@dataclass(frozen=True)
class ControlTour:
    """`control.tour`: the track through all expressions."""

    move_s: float
    hold_s: float


@dataclass(frozen=True)
class ControlSmoothing:
    """`control.smoothing`: of tracks that were fitted frame by frame."""

    method: Smoothing
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


@dataclass(frozen=True)
class VideoOrbit:
    """`video.orbit`: how the camera goes around the head."""

    degrees: float
    elevation: float
    turns: float


@dataclass(frozen=True)
class VideoConfig:
    """`video`: the film of a track."""

    family: str
    tracks: list[str]
    path: CameraPath
    cameras: list[str]
    orbit: VideoOrbit
    zoom: float
    height: int
    fps: float
    background: list[float]
    captions: bool
    gif_height: int
    gif_fps: float


@dataclass(frozen=True)
class ExportConfig:
    """`export`: files for other programs."""

    family: str
    poses: list[str]
    ply_axes: Axes
    spz_sh_bits: list[int]
    mesh_level: LevelName | None
    half_precision: bool


NEUTRAL = "neutral"
IN_TRACK = re.compile(r"(?P<track>.+)-(?P<seconds>\d+(?:\.\d+)?)s")
"""A pose that is a moment of a track."""


def track_of_pose(pose: str, presets: Sequence[str] = ()) -> str | None:
    """Return the track that `pose` is a moment of (`tour-2.5s`: tour), or None for the neutral and presets."""
    match = None if pose == NEUTRAL or pose in presets else IN_TRACK.fullmatch(pose)
    return match["track"] if match else None


@dataclass(frozen=True)
class JointBatch:
    """`joint.batch`: the size of one step."""

    frames: int
    cameras: int


@dataclass(frozen=True)
class JointAppearance:
    """`joint.appearance`: a block of components of its own."""

    attributes: list[AppearanceAttribute]
    k: int


@dataclass(frozen=True)
class JointLocal:
    """`joint.local`: what only local components need."""

    lambda_: float
    map: str
    """A name of `splatrig.config.sldc.SUPPORT_MAPS`."""
    support: JointSupport
    sparsity: float


@dataclass(frozen=True)
class JointSolve:
    """`joint.solve`: how weights of unseen frames are found from photographs."""

    steps: int
    rate: float


@dataclass(frozen=True)
class JointConfig:
    """`joint`: rigs learned through the rasteriser."""

    families: list[JointFamily]
    k: int
    start: JointStart
    level: LevelName | None
    attributes: list[str]
    appearance: JointAppearance
    steps: int
    devices: int
    batch: JointBatch
    rate_factor: float
    base_rate_factor: float
    weight_rate: float
    final_rate: float
    ridge: float
    smoothness: float
    back_faces: float
    dropout: float
    check_every: int
    validation_pairs: int
    memory_gib: float
    passes: int
    local: JointLocal
    solve: JointSolve


@dataclass(frozen=True)
class Config:
    """The whole configuration."""

    subject: str
    seed: int
    device: Device
    capture: CaptureConfig
    demo: DemoConfig
    mesh: MeshConfig
    training: TrainingConfig
    components: ComponentsConfig
    joint: JointConfig
    rendering: RenderingConfig
    evaluation: EvaluationConfig
    control: ControlConfig
    video: VideoConfig
    export: ExportConfig


def from_mapping(cls: type[T], values: Mapping[str, Any]) -> T:
    """Build the frozen dataclass `cls` from a (nested) mapping whose keys are its fields."""
    hints = get_type_hints(cls)
    arguments = {}
    for field in fields(cls):  # type: ignore[arg-type]
        value = values[field.name.rstrip("_")]
        hint = hints[field.name]
        arguments[field.name] = from_mapping(hint, value) if isinstance(hint, type) and is_dataclass(hint) else value
    return cls(**arguments)


def to_mapping(config: Any) -> dict[str, Any]:
    """Return a config dataclass as plain nested dicts (what Snakemake params hold); inverse of `from_mapping`."""
    return {
        field.name.rstrip("_"): to_mapping(value) if is_dataclass(value := getattr(config, field.name)) else value
        for field in fields(config)
    }


def level_names(subdivisions: int) -> list[str]:
    """Return the names of the subdivision levels, coarsest first."""
    return list(LEVEL_NAMES[: subdivisions + 1])
