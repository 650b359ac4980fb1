"""The validated configuration as frozen dataclasses, one a stage.

Keys, types, bounds and defaults live in `workflow/schemas/config.schema.yaml` alone; here are the checks that need
more than one key. A key that is a Python keyword gets a trailing underscore (`lambda_`).
"""

import copy
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

import jsonschema

from splatrig.capture.cameras import held_out_cameras
from splatrig.errors import InputError

LEVEL_NAMES = ("base", "subd1", "subd2", "subd3")
"""Subdivision levels by name; the vertices of one level are the first of the next."""

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
    extra_assets: list[str]
    links: str | None
    checksums: str


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
    plate: PlateConfig
    holes: str
    download: DownloadConfig
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
class InitialShape:
    """How large, flat and opaque the first Gaussians of the neutral are."""

    tangent_scale: float
    """Standard deviation along the surface, in mean edge lengths."""
    normal_scale: float
    """Standard deviation along the normal, in mean edge lengths."""
    opacity: float


@dataclass(frozen=True)
class TrainingConfig:
    """`training`: the recipe of the fits."""

    recipe: str
    rasterizer: str
    steps: Steps
    rates: Rates
    frame_rate_factor: float
    final_rate: float
    sh_degree: int
    backdrop: str
    initial: InitialShape
    seed_steps: int
    lambda_dssim: float
    drift_weight: float
    size_weight: float


@dataclass(frozen=True)
class PcaConfig:
    """`components.pca`."""

    k: int
    weights: str


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
class AdmmConfig:
    """`components.sldc.admm`: how the components are updated for given weights."""

    rho: float
    iterations: int
    tolerance: float


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
    weights: str
    max_iterations: int
    tolerance: float
    admm: AdmmConfig


@dataclass(frozen=True)
class ComponentsConfig:
    """`components`: the families of deformation components."""

    rest: str
    attributes: list[str]
    data_matrix: str
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
    image_height: int
    animation_frames: int


@dataclass(frozen=True)
class EvaluationConfig:
    """`evaluation`: sizes of the sweeps."""

    ks: list[int]
    lambdas: list[float]
    level: str


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
        arguments[field.name] = from_mapping(hint, value) if isinstance(hint, type) and is_dataclass(hint) else value
    return cls(**arguments)


def to_mapping(config: Any) -> dict[str, Any]:
    """Return a config dataclass as plain nested dicts (what Snakemake params hold); inverse of `from_mapping`."""
    return {
        field.name.rstrip("_"): to_mapping(value) if is_dataclass(value := getattr(config, field.name)) else value
        for field in fields(config)
    }


def load_config(raw: Mapping[str, Any], schema: Mapping[str, Any]) -> Config:
    """Check a raw configuration against the schema, fill in defaults and return it typed.

    Raises InputError with one sentence that names the key, the value and what was expected.
    """
    complete = _with_defaults(copy.deepcopy(dict(raw)), schema, schema)
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(complete))
    if error is not None:
        raise InputError(_sentence(error))
    return from_mapping(Config, complete)


def _with_defaults(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """Fill in the defaults of an object's missing keys, depth first."""
    if not isinstance(value, dict):
        return value
    for key, part in schema.get("properties", {}).items():
        if key not in value and "default" in part:
            value[key] = copy.deepcopy(part["default"])
        if key in value:
            value[key] = _with_defaults(value[key], part, root)
    return value


def _sentence(error: jsonschema.ValidationError) -> str:
    """Put a schema error into one sentence with the dotted key."""
    key = ".".join(str(part) for part in error.absolute_path) or "the top level"
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        unknown = [name for name in error.instance if name not in known]
        close = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f" did you mean {close[0]}?" if close else ""
        return f"config.yaml, {key}: unknown key {unknown[0]!r};{hint} known keys are {', '.join(known)}."
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        return f"config.yaml, {key}: the key {missing[0]!r} is missing; add it."
    return f"config.yaml, {key}: got {error.instance!r}, expected {_expectation(error.schema)}."


def _expectation(schema: Mapping[str, Any]) -> str:
    """Say in words what a leaf of the schema accepts."""
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return f"{schema['const']!r}"
    if "anyOf" in schema:
        return " or ".join(_expectation(part) for part in schema["anyOf"])
    kinds = schema.get("type", "a value")
    words = " or ".join(kinds) if isinstance(kinds, list) else str(kinds)
    bounds = {
        "minimum": "at least {}",
        "maximum": "at most {}",
        "exclusiveMinimum": "more than {}",
        "minItems": "with {} or more items",
        "pattern": "matching {}",
        "minLength": "with {} or more characters",
    }
    parts = [text.format(schema[name]) for name, text in bounds.items() if name in schema]
    return " ".join([words, *(["(" + ", ".join(parts) + ")"] if parts else [])])


def check_config(config: Config, expressions: Sequence[str], cameras: Sequence[str] | None) -> None:
    """Check what needs more than one key; raise InputError naming key, value and bound.

    `expressions`: the resolved list; `cameras`: all camera names when they are known before the run, else None.
    """
    capture, components = config.capture, config.components
    listed = ", ".join(expressions)
    if capture.neutral not in expressions:
        raise InputError(
            f"capture.neutral: {capture.neutral} is not among the expressions ({listed}); "
            "add it to capture.expressions or name another."
        )
    for name in capture.held_out.expressions:
        if name not in expressions:
            raise InputError(f"capture.held_out.expressions: {name} is not among the expressions ({listed}).")
        if name == capture.neutral:
            raise InputError(
                f"capture.held_out.expressions: the neutral {name} cannot be held out; every fit starts from it."
            )
    if capture.source == "multiface" and capture.entity is None:
        raise InputError(
            'capture.entity: got null, expected an entity such as "6795937" for capture.source: multiface.'
        )
    if capture.source == "demo" and capture.frames_per_expression > config.demo.frames:
        raise InputError(
            f"capture.frames_per_expression: got {capture.frames_per_expression}, "
            f"expected at most demo.frames = {config.demo.frames}."
        )
    _check_component_sizes(config, len(expressions) - len(capture.held_out.expressions))
    trapezoid = components.sldc.trapezoid
    if trapezoid.d_min >= trapezoid.d_max:
        raise InputError(
            f"components.sldc.trapezoid: d_min = {trapezoid.d_min} must be below d_max = {trapezoid.d_max}."
        )
    if cameras is not None:
        _check_cameras(config, cameras)


def _check_component_sizes(config: Config, train_expressions: int) -> None:
    """Check numbers of components against the number of training frames, and levels against the subdivisions."""
    components = config.components
    frames = train_expressions * config.capture.frames_per_expression
    sizes = {
        "components.pca.k": components.pca.k,
        "components.mbspca.k": components.mbspca.k,
        "components.sldc.k": components.sldc.k,
    }
    for key, k in sizes.items():
        if k > frames:
            raise InputError(
                f"{key}: got {k}, expected at most the number of training frames, {frames} "
                f"({train_expressions} expressions × {config.capture.frames_per_expression} frames)."
            )
    if max(config.evaluation.ks) > components.pca.k:
        raise InputError(
            f"evaluation.ks: got {max(config.evaluation.ks)}, expected at most components.pca.k = {components.pca.k}."
        )
    smallest = min(sizes.values())
    if config.rendering.components > smallest:
        raise InputError(
            f"rendering.components: got {config.rendering.components}, expected at most {smallest}, the smallest k."
        )
    levels = level_names(config.mesh.subdivisions)
    for key, level in [
        ("components.mbspca.level", components.mbspca.level),
        ("evaluation.level", config.evaluation.level),
        *[("components.upsample", name) for name in components.upsample],
    ]:
        if level not in levels:
            raise InputError(
                f"{key}: got {level}, but mesh.subdivisions = {config.mesh.subdivisions} gives {', '.join(levels)}."
            )
    if levels[-1] in components.upsample:
        raise InputError(
            f"components.upsample: {levels[-1]} is the finest level already; "
            f"name coarser ones ({', '.join(levels[:-1])})."
        )


def _check_cameras(config: Config, cameras: Sequence[str]) -> None:
    """Check the camera selection against the cameras that exist."""
    used = list(cameras)
    if not isinstance(config.capture.cameras, str):
        unknown = [name for name in config.capture.cameras if name not in cameras]
        if unknown:
            raise InputError(
                f"capture.cameras: camera {unknown[0]} does not exist; the capture has {', '.join(sorted(cameras))}."
            )
        used = list(config.capture.cameras)
    held_out = held_out_cameras(config.capture.held_out.cameras, used)
    if len(held_out) >= len(used):
        raise InputError(
            f"capture.held_out.cameras: all {len(used)} cameras are held out; leave at least one to train."
        )


def level_names(subdivisions: int) -> list[str]:
    """Return the names of the subdivision levels, coarsest first."""
    return list(LEVEL_NAMES[: subdivisions + 1])
