"""Check what spans several keys, or depends on the capture, before anything is written."""

from collections.abc import Iterable, Mapping, Sequence

from splatrig.config.models import Config
from splatrig.config.names import NAME, NEUTRAL, TAKEN, held_out_cameras, level_names, track_of_pose
from splatrig.io.errors import InputError

FEWEST_TRACKING_CAMERAS = 2
"""Fewest cameras that tracking photographs alone needs, of a capture and of each frame."""


def check_names(
    config: Config,
    sources: Sequence[str],
    rasterizers: Sequence[str],
    attributes: Sequence[str],
    driving: Sequence[str],
) -> None:
    """Check names against the tables that define them; raise InputError with the known names.

    `driving`: the attributes that drive Gaussians, as all attributes of a rig must.
    """
    components = config.components
    _check_known("capture.source", [config.capture.source], sources)
    _check_known("fitting.rasterizer", [config.fitting.rasterizer], ["auto", *rasterizers])
    _check_known("components.attributes", components.attributes, driving)
    _check_known("components.sldc.attribute", [components.sldc.attribute], [*attributes, "all"])
    if "xyz" not in components.attributes:
        raise InputError(
            f"components.attributes: got [{', '.join(components.attributes)}], expected xyz among them, since rigs "
            "move centers; add it."
        )
    if not components.sldc.supports.used:
        raise InputError("components.sldc.supports: got null for all of them, expected one or more support maps.")


def check_families(config: Config, families: Mapping[str, Sequence[str]]) -> None:
    """Check that every named family is made and, where required, moves centers.

    `families`: the names that rules make, by kind. Raises InputError with the names of the kind, or with the kinds.
    """
    named = [
        *(("rendering.families", family) for family in config.rendering.families),
        *(("control.families", family) for family in config.control.families or []),
        ("video.family", config.video.family),
        ("export.family", config.export.family),
    ]
    for key, family in named:
        if family is None:
            continue
        kind, _, rest = family.partition("_")
        _check_known(key, [family], families.get(kind, [f"{other}_…" for other in families]))
        if key == "rendering.families":  # learned rigs are shown only if they are made
            continue
        if kind == "learned" and rest not in config.learned.families:
            raise InputError(
                f"{key}: {family} is not made, since learned.families is [{', '.join(config.learned.families)}]; "
                "add it there, or name another family, such as pca_all."
            )
        if key != "video.family" and kind != "learned" and not family.endswith(("_all", "_xyz")):
            raise InputError(
                f"{key}: {family} moves no centers, as dragging and morph targets require; name "
                "another family, such as pca_all."
            )


def check_config(config: Config, expressions: Sequence[str], cameras: Sequence[str] | None) -> None:
    """Check what needs more than one key; raise InputError naming key, value and bound.

    `expressions`: the resolved list; `cameras`: all camera names if they are known before the run, otherwise None.
    """
    _check_expressions(config, expressions)
    learned = config.learned
    if learned.photographs_per_step % learned.devices:
        raise InputError(
            f"learned.photographs_per_step: got {learned.photographs_per_step}, expected a multiple of learned.devices "
            f"= {learned.devices}: every device takes the same number of them."
        )
    levels = [*level_names(config.mesh.subdivisions), "finest"]
    for key, level in (("learned.level", learned.level), ("export.mesh_level", config.export.mesh_level)):
        if level not in levels:
            raise InputError(
                f"{key}: got {level}, but mesh.subdivisions = {config.mesh.subdivisions} gives {', '.join(levels)}."
            )
    control = config.control.families or []
    if learned.free and len({family.startswith("learned_") for family in control}) > 1:
        raise InputError(
            f"control.families: got [{', '.join(control)}], but with learned.free = {learned.free:g} "
            "learned families move free Gaussians that others do not have; name only learned ones, or only others."
        )
    _check_shown(config, expressions)
    if cameras is not None:
        _check_cameras(config, cameras)


def check_tracking_cameras(where: str, train: int, held_out: int) -> None:
    """Raise InputError where too few cameras are left to find faces in space; `where` names the capture."""
    if train < FEWEST_TRACKING_CAMERAS:
        raise InputError(
            f"{where}: got {train} training camera{'s' * (train != 1)} ({held_out} held out), expected two or more, "
            "four in front of the face for good: one does not tell how far away a face is; add cameras, or hold out "
            "fewer (capture.held_out.cameras: [])."
        )


def with_components_capped(
    config: Config, expressions: Sequence[str], tracked: Mapping[str, int]
) -> tuple[Config, str | None]:
    """Return the configuration with as many components as its frames allow, and a warning if those are fewer.

    The rest shape takes one of the training frames, and every fold leaves out one expression. `tracked`: the number of
    frames of an expression with a tracked mesh, if known before the run. Raises InputError if a single frame is left,
    or if more fixed centers are named than there are components.
    """
    asked, capture, components = config.components.k, config.capture, config.components
    counts = {
        name: min(capture.frames_per_expression, tracked.get(name, capture.frames_per_expression))
        for name in expressions
        if name not in capture.held_out.expressions
    }
    frames = sum(counts.values())
    if frames < 2:
        raise InputError(
            f"capture.expressions: got {frames} training frame ({len(counts)} expressions), expected 2 or more, since "
            "one of them is the rest shape; add expressions, or raise capture.frames_per_expression."
        )
    folds = config.evaluation.learned_folds
    if folds > len(counts) - 1:
        raise InputError(
            f"evaluation.learned_folds: got {folds}, expected at most {len(counts) - 1}, the expressions to learn from "
            "without the neutral's, which is never left out."
        )
    left = frames - max(counts.values()) if folds else frames
    k = min(asked, max(1, left - 1))
    if len(components.sldc.centers) > k:
        raise InputError(
            f"components.sldc.centers: got {len(components.sldc.centers)} vertices, expected at most {k}, one per "
            "component; name fewer, or raise components.k."
        )
    if k == asked:
        return config, None
    without = " without one expression" if folds else ""
    sentence = (
        f"components.k: {asked} components need {asked + 1} training frames, but there are {left}{without} "
        f"({len(counts)} expressions); every family gets {k}."
    )
    return config.model_copy(update={"components": components.model_copy(update={"k": k})}), sentence


def _check_known(key: str, names: Iterable[str], known: Sequence[str]) -> None:
    """Raise InputError for a name that a table does not have."""
    for name in names:
        if name not in known:
            raise InputError(f"configuration, {key}: got {name}, expected one of {', '.join(known)}.")


def _check_expressions(config: Config, expressions: Sequence[str]) -> None:
    """Check the expressions, and those named elsewhere, against each other and against the source."""
    capture, listed = config.capture, ", ".join(expressions)
    odd = next((name for name in expressions if NAME.fullmatch(name) is None), None)
    if odd is not None:
        raise InputError(
            f"capture.expressions: the capture has a segment {odd!r}, expected letters, digits, `_`, `-` and `.`, "
            "beginning with a letter or a digit; rename its folders, or list the segments to use."
        )
    taken = next((name for name in expressions if name in TAKEN), None)
    if taken is not None:
        raise InputError(
            f"capture.expressions: the capture has a segment named {taken}, as a file of the results is; rename its "
            "folders, or list the segments to use."
        )
    if config.neutral not in expressions:
        raise InputError(
            f"neutral: got {config.neutral}, expected one of the expressions ({listed}); add it to "
            "capture.expressions or name another."
        )
    for name in capture.held_out.expressions:
        if name not in expressions:
            raise InputError(f"capture.held_out.expressions: got {name}, expected one of the expressions ({listed}).")
        if name == config.neutral:
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


def _check_shown(config: Config, expressions: Sequence[str]) -> None:
    """Check the tracks, poses and cameras of films and exports."""
    listed = ", ".join(expressions)
    for track in config.video.tracks:
        if "/" not in track and track not in ("tour", *expressions):
            raise InputError(f"video.tracks: got {track}, expected tour, an expression ({listed}), or mesh/SEGMENT.")
    for pose in config.export.poses:
        if pose not in (NEUTRAL, *expressions) and track_of_pose(pose) not in ("tour", *expressions):
            raise InputError(
                f"export.poses: got {pose}, expected neutral, an expression ({listed}), or a moment of a track such as "
                "tour-2.5s."
            )
    if config.video.path == "cameras" and len(config.video.cameras) == 1:
        raise InputError(
            f"video.cameras: got only {config.video.cameras[0]}, expected two or more for a path of cameras, or none: "
            "then the four most frontal ones."
        )


def _check_cameras(config: Config, cameras: Sequence[str]) -> None:
    """Check the named cameras against those that exist, and that some are left for training."""
    chosen = config.capture.cameras
    used = list(cameras) if isinstance(chosen, str) else chosen
    for key, names in (("capture.cameras", used), ("video.cameras", config.video.cameras)):
        for name in names:
            if name not in cameras:
                raise InputError(f"{key}: camera {name} does not exist; the capture has {', '.join(sorted(cameras))}.")
    held_out = len(held_out_cameras(config.capture.held_out.cameras, used))
    if config.capture.source == "photographs":
        check_tracking_cameras(f"{config.capture.root}: {config.neutral}", len(used) - held_out, held_out)
    if held_out >= len(used):
        raise InputError(
            f"capture.held_out.cameras: all {len(used)} cameras are held out; leave at least one to train, or set "
            "it to [] to hold out none."
        )
