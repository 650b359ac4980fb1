"""Check a configuration when the workflow is parsed: the schema's keys, types and bounds, and what spans several keys.

The Snakefile and the viewer use this module; jobs receive values that were checked.
"""

import copy
import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from splatrig.config.models import Config, from_mapping, level_names, track_of_pose
from splatrig.config.names import NAME, held_out_cameras
from splatrig.config.sldc import SUPPORT_MAPS
from splatrig.io.errors import InputError

_KINDS = {
    "object": "a section of keys",
    "array": "a list",
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "null": "null",
}
"""Types of the schema in the words of a user."""


def _is_number(_: object, value: object) -> bool:
    """Return whether a value is a finite number: YAML's .nan passes every bound, as no comparison with it is true."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole_number(_: object, value: object) -> bool:
    """Return whether a value counts something: 2.0 does in JSON, and in Python it does not."""
    return isinstance(value, int) and not isinstance(value, bool)


_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"number": _is_number, "integer": _is_whole_number}
    ),
)


def load_config(raw: Mapping[str, Any], schema: Mapping[str, Any]) -> Config:
    """Check a raw configuration against the schema, fill in defaults and return it typed.

    Raises InputError with one sentence that names the key, the value and what was expected.
    """
    complete = _with_defaults(copy.deepcopy(dict(raw)), schema, schema)
    error = jsonschema.exceptions.best_match(_Validator(schema).iter_errors(complete))
    if error is not None:
        raise InputError(_sentence(error, schema["$defs"]))
    config = from_mapping(Config, complete)
    _check_known("components.sldc.supports", config.components.sldc.supports, SUPPORT_MAPS)
    return config


def check_names(
    config: Config,
    sources: Sequence[str],
    rasterizers: Sequence[str],
    attributes: Sequence[str],
    driving: Sequence[str],
) -> None:
    """Check names against the tables that have them; raise InputError with the names that there are.

    `driving`: the attributes that drive Gaussians, as all of a rig do.
    """
    _check_known("capture.source", [config.capture.source], sources)
    _check_known("training.rasterizer", [config.training.rasterizer], ["auto", *rasterizers])
    _check_known("components.attributes", config.components.attributes, driving)
    _check_known("components.sldc.attribute", [config.components.sldc.attribute], [*attributes, "all"])


def check_families(config: Config, families: Mapping[str, Sequence[str]]) -> None:
    """Check that every family that is named is made and, where it must, moves centres.

    `families`: the names that rules make, by kind. Raises InputError with the names of the kind, or with the kinds.
    """
    named = [("rendering.families", family) for family in config.rendering.families]
    named += [("control.families", family) for family in config.control.families]
    named += [("video.family", config.video.family), ("export.family", config.export.family)]
    for key, family in named:
        kind, _, rest = family.partition("_")
        _check_known(key, [family], families.get(kind, [f"{other}_…" for other in families]))
        if key == "rendering.families":  # of the learned rigs it shows those that are made
            continue
        if kind == "learned" and rest not in config.learned.families:
            raise InputError(
                f"{key}: {family} is not made, since learned.families is [{', '.join(config.learned.families)}]; "
                "add it there, or name another family, such as pca_all."
            )
        if key != "video.family" and kind != "learned" and not family.endswith(("_all", "_xyz")):
            raise InputError(
                f"{key}: {family} moves no centres, and only what moves can be dragged or become a morph target; name "
                "another family, such as pca_all."
            )


def _check_known(key: str, names: Iterable[str], known: Sequence[str]) -> None:
    """Raise InputError for a name that a table does not have."""
    for name in names:
        if name not in known:
            raise InputError(f"configuration, {key}: got {name}, expected one of {', '.join(known)}.")


def read_config(paths: Sequence[str | Path], schema: str | Path) -> Config:
    """Read configuration files as the workflow does: what later ones name replaces what earlier ones said.

    Raises InputError naming the file, or the key as `load_config` does.
    """
    raw: dict[str, Any] = {}
    for path in paths:
        try:
            given = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise InputError(f"{path}: cannot be read as a configuration ({' '.join(str(error).split())}).") from error
        if not isinstance(given, Mapping):
            raise InputError(f"{path}: expected keys and values as in config.yaml, got {given!r:.60}.")
        raw = merged(raw, given)
    return load_config(raw, yaml.safe_load(Path(schema).read_text(encoding="utf-8")))


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return a raw configuration with what another says, section by section, as Snakemake merges its files."""
    both = {
        key: merged(old[key], new[key])
        for key in new
        if isinstance(new[key], Mapping) and isinstance(old.get(key), Mapping)
    }
    return {**old, **new, **both}


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


def _sentence(error: jsonschema.ValidationError, kinds: Mapping[str, Any]) -> str:
    """Put a schema error into one sentence with the dotted key."""
    key = ".".join(str(part) for part in error.absolute_path) or "the top level"
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        unknown = [name for name in error.instance if name not in known]
        close = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f" did you mean {close[0]}?" if close else ""
        return f"configuration, {key}: unknown key {unknown[0]!r};{hint} known keys are {', '.join(known)}."
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        return f"configuration, {key}: the key {missing[0]!r} is missing; add it."
    return f"configuration, {key}: got {error.instance!r}, expected {_expectation(error.schema, kinds)}{_hint(error)}."


def _hint(error: jsonschema.ValidationError) -> str:
    """Return what to do about a value that YAML takes for something else than was meant, or nothing."""
    value, kind = error.instance, error.schema.get("type")
    if value is None and kind == "object":
        return "; leave the line out where nothing is below it"
    if isinstance(value, int | float) and kind == "string" and re.search(error.schema.get("pattern", ""), str(value)):
        return f'; a name of digits stands in quotes: "{value}"'
    if isinstance(value, str) and kind in ("number", "integer"):
        try:
            number = float(value)
        except ValueError:
            return ""
        meant = int(number) if number.is_integer() and kind == "integer" else number
        return f"; YAML takes it for a text: write {meant}"
    return ""


def _expectation(schema: Mapping[str, Any], kinds: Mapping[str, Any]) -> str:
    """Say in words what a leaf of the schema accepts; `kinds` are the definitions that it may refer to."""
    if "$ref" in schema:
        return _expectation(kinds[schema["$ref"].rpartition("/")[2]], kinds)
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return f"{schema['const']!r}"
    if "anyOf" in schema:
        return " or ".join(_expectation(part, kinds) for part in schema["anyOf"])
    kinds = schema.get("type", "value")
    words = " or ".join(_KINDS.get(str(kind), str(kind)) for kind in (kinds if isinstance(kinds, list) else [kinds]))
    bounds = {
        "minimum": "at least {}",
        "maximum": "at most {}",
        "exclusiveMinimum": "more than {}",
        "exclusiveMaximum": "less than {}",
        "minItems": "with {} or more items",
        "maxItems": "with {} items at most",
        "uniqueItems": "each of them once",
        "pattern": "matching {}",
        "minLength": "with {} or more characters",
    }
    parts = [text.format(schema[name]) for name, text in bounds.items() if name in schema]
    return " ".join([words, *(["(" + ", ".join(parts) + ")"] if parts else [])])


def check_config(
    config: Config,
    expressions: Sequence[str],
    cameras: Sequence[str] | None,
    tracked: Mapping[str, int] | None = None,
) -> None:
    """Check what needs more than one key; raise InputError naming key, value and bound.

    `expressions`: the resolved list; `cameras`: all camera names when they are known before the run, else None;
    `tracked`: how many frames of an expression have a tracked mesh, where that is known before the run.
    """
    capture, components = config.capture, config.components
    listed = ", ".join(expressions)
    odd = next((name for name in expressions if NAME.fullmatch(name) is None), None)
    if odd is not None:
        raise InputError(
            f"capture.expressions: the capture has a segment {odd!r}, expected letters, digits, `_`, `-` and `.`, "
            "beginning with a letter or a digit; rename its folders, or list the segments to use."
        )
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
    train = [name for name in expressions if name not in capture.held_out.expressions]
    _check_component_sizes(config, train, tracked or {})
    _check_folds(config, len(train))
    if config.learned.batch.frames % config.learned.devices:
        raise InputError(
            f"learned.batch.frames: got {config.learned.batch.frames}, expected a multiple of learned.devices = "
            f"{config.learned.devices}: every device takes as many of a step's frames."
        )
    if "xyz" not in components.attributes:
        raise InputError(
            f"components.attributes: got [{', '.join(components.attributes)}], expected xyz among them: rigs move "
            "centers, and are measured by them."
        )
    _check_shown(config, expressions)
    if cameras is not None:
        _check_cameras(config, cameras)


def _check_component_sizes(config: Config, train: Sequence[str], tracked: Mapping[str, int]) -> None:
    """Check numbers of components against the number of training frames, and levels against the subdivisions."""
    components, asked = config.components, config.capture.frames_per_expression
    frames = sum(min(asked, tracked.get(name, asked)) for name in train)
    counted = f"{len(train)} expressions × {asked} frames"
    if frames < len(train) * asked:
        counted = f"{frames} frames with a tracked mesh in {len(train)} expressions"
    if frames < 2:
        raise InputError(
            f"capture.expressions: got {frames} training frame ({counted}), expected 2 or more, since one of them is "
            "the rest shape; add expressions, or raise capture.frames_per_expression."
        )
    about_rest = (frames - 1, "one less than there are training frames, for the rest shape")
    bounds = {
        "components.pca.k": (components.pca.k, *about_rest),
        "components.mbspca.k": (components.mbspca.k, frames, "the training frames"),
        "components.sldc.k": (components.sldc.k, frames, "the training frames"),
    }
    smallest = min(min(k, most) for k, most, _ in bounds.values())
    bounds["evaluation.ks"] = (max(config.evaluation.ks), min(components.pca.k, frames - 1), "components.pca.k")
    bounds["rendering.components"] = (config.rendering.components, smallest, "the smallest k")
    large = [f"{key}: got {k}, expected at most {most}, {why}" for key, (k, most, why) in bounds.items() if k > most]
    if large:
        raise InputError(f"{'; '.join(large)} ({counted}).")
    placed = {"components.sldc.k": components.sldc.k}
    if "local" in config.learned.families:
        placed["components.pca.k"] = components.pca.k
    for key, k in placed.items():
        if len(components.sldc.centers) > k:
            raise InputError(
                f"components.sldc.centers: got {len(components.sldc.centers)} vertices, expected at most {key} = {k}, "
                "one a component; name fewer, or raise that."
            )
    levels = level_names(config.mesh.subdivisions)
    for key, level in [
        ("components.mbspca.level", components.mbspca.level),
        ("evaluation.level", config.evaluation.level),
        ("learned.level", config.learned.level or levels[0]),
        ("components.sldc.start_level", components.sldc.start_level or levels[0]),
        *[("components.upsample", name) for name in components.upsample],
        ("export.mesh_level", config.export.mesh_level or levels[0]),
    ]:
        if level not in levels:
            raise InputError(
                f"{key}: got {level}, but mesh.subdivisions = {config.mesh.subdivisions} gives {', '.join(levels)}."
            )
    if levels[-1] in components.upsample:
        raise InputError(
            f"components.upsample: {levels[-1]} is the finest level already; "
            + (f"name coarser ones ({', '.join(levels[:-1])})." if levels[:-1] else "set it to [].")
        )


def _check_folds(config: Config, train_expressions: int) -> None:
    """Check that learned rigs can be learned without one expression, as often as asked."""
    count, frames = config.evaluation.learned_folds, (train_expressions - 1) * config.capture.frames_per_expression
    if count > train_expressions - 1:
        raise InputError(
            f"evaluation.learned_folds: got {count}, expected at most {train_expressions - 1}, the expressions to "
            "learn from without the neutral's, which is never left out."
        )
    k = config.components.pca.k
    if count and k >= frames:
        raise InputError(
            f"evaluation.learned_folds: got {count}, but without one expression there are {frames} training frames, "
            f"of which the rest shape takes one, and components.pca.k is {k}; lower components.pca.k to {frames - 1}, "
            "or set evaluation.learned_folds to 0."
        )


def _check_shown(config: Config, expressions: Sequence[str]) -> None:
    """Check what is posed, filmed and exported: tracks, poses, cameras."""
    low, high = config.control.percentiles
    if low >= high:
        raise InputError(f"control.percentiles: got [{low}, {high}], expected the lower one first.")
    listed = ", ".join(expressions)
    for track in config.video.tracks:
        if "/" not in track and track not in ("tour", *expressions):
            raise InputError(f"video.tracks: got {track}, expected tour, an expression ({listed}), or mesh/SEGMENT.")
    for pose in config.export.poses:
        if pose not in ("neutral", *expressions) and track_of_pose(pose) not in ("tour", *expressions):
            raise InputError(
                f"export.poses: got {pose}, expected neutral, an expression ({listed}), or a moment of a track such as "
                "tour-2.5s."
            )
    if config.video.path == "cameras" and len(config.video.cameras) == 1:
        raise InputError(
            f"video.cameras: got only {config.video.cameras[0]}, expected two or more for a path of cameras, or none: "
            "then the four that look most squarely into the face."
        )


def _check_cameras(config: Config, cameras: Sequence[str]) -> None:
    """Check the camera selection against the cameras that exist."""
    used = list(cameras)
    for name in config.video.cameras:
        if name not in cameras:
            raise InputError(
                f"video.cameras: camera {name} does not exist; the capture has {', '.join(sorted(cameras))}."
            )
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
            f"capture.held_out.cameras: all {len(used)} cameras are held out; leave at least one to train, or set "
            "it to [] to hold out none."
        )
