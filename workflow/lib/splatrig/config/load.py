"""Load the configuration: merge presets, defaults and the user's keys, and report mistakes in one sentence."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from splatrig.config.messages import sentence_of
from splatrig.config.models import Config
from splatrig.config.names import NAME
from splatrig.io.errors import InputError

FORMER = {
    "joint": "learned",
    "training": "fitting",
    "capture.neutral": "neutral",
    "capture.plate": None,
    "capture.download.timeout": None,
    "demo.tracked_vertices": "mesh.tracked_vertices",
    "control.frame_numbers_per_second": "capture.frame_numbers_per_second",
    "components.pca.weights": "components.pca_weights",
    "components.pca.k": "components.k",
    "components.mbspca.alpha": "components.mbspca_sparsity",
    "components.mbspca.k": "components.k",
    "components.mbspca.level": None,
    "components.sldc.k": "components.k",
    "components.sldc.lambda": "components.sldc.sparsity",
    "components.sldc.gauss": "components.sldc.supports.gauss",
    "components.sldc.trapezoid": "components.sldc.supports.trapezoid",
    "components.upsample": None,
    "mesh.mask.center_vertex": "mesh.mask_center",
    "mesh.mask.fraction": "mesh.mask_fraction",
    "evaluation.ks": "components.k",
    "evaluation.lambdas": "evaluation.sparsities",
    "evaluation.joint_folds": "evaluation.learned_folds",
    "evaluation.level": None,
}
"""Keys of earlier versions and their successors; None: there is none, the value is now fixed."""

NOT_OF_THE_DEMO = ("source", "root", "entity")
"""Keys of `capture` that name a capture and therefore contradict the demo's preset."""


def load_config(raw: Mapping[str, Any], presets: str | Path) -> Config:
    """Validate a user's configuration, merge it over its preset and the defaults, and return it typed.

    `presets`: the folder workflow/presets. Raises InputError with one sentence that names the key, the value and what
    was expected.

    Example:
        >>> config = load_config({"preset": "demo"}, Path("workflow/presets"))
        >>> config.fitting.neutral_steps
        300
    """
    _refuse_former_keys(raw)
    whole = merged(_preset(raw, Path(presets)), raw)
    try:
        config = Config.model_validate(whole)
    except ValidationError as error:
        raise InputError(sentence_of(error, whole, Config)) from None
    root = config.capture.root or _default_root(config)
    subject = config.subject or _subject_of(root)
    capture = config.capture.model_copy(update={"root": root})
    return config.model_copy(update={"subject": subject, "capture": capture, **_families(config)})


def _families(config: Config) -> dict[str, Any]:
    """Return the sections that name families, with those of `learned.families` where the user named none."""
    learned = [f"learned_{name}" for name in config.learned.families] or ["pca_all"]
    control = config.control.families or learned
    return {
        "control": config.control.model_copy(update={"families": control}),
        "video": config.video.model_copy(update={"family": config.video.family or learned[0]}),
        "export": config.export.model_copy(update={"family": config.export.family or learned[0]}),
    }


def read_config(paths: Sequence[str | Path], presets: str | Path) -> Config:
    """Read configuration files as the workflow does: later files override earlier ones.

    Raises InputError naming the file, or the key as `load_config` does.
    """
    raw: dict[str, Any] = {}
    for path in paths:
        raw = merged(raw, _read(path))
    return load_config(raw, presets)


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return a raw configuration overridden by another, section by section, as Snakemake merges its files."""
    both = {
        key: merged(old[key], new[key])
        for key in new
        if isinstance(new[key], Mapping) and isinstance(old.get(key), Mapping)
    }
    return {**old, **new, **both}


def _read(path: str | Path) -> Mapping[str, Any]:
    """Read one file; raise InputError naming it unless it contains keys and values."""
    try:
        given = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(
            f"{path}: cannot be read as a configuration ({' '.join(str(error).split())}); correct the YAML."
        ) from error
    if not isinstance(given, Mapping):
        raise InputError(f"{path}: expected keys and values as in config.yaml, got {given!r:.60}.")
    return given


def _preset(raw: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """Return the content of a configuration's preset; raise InputError for an unknown preset or a conflict with it."""
    name = raw.get("preset")
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if name is None:
        return {}
    if name not in known:
        raise InputError(f"configuration, preset: got {name!r}, expected one of {', '.join(known)}.")
    preset, capture = _read(folder / f"{name}.yaml"), raw.get("capture")
    if preset["capture"]["source"] == "demo" and isinstance(capture, Mapping):
        for key in NOT_OF_THE_DEMO:
            if capture.get(key) not in (None, preset["capture"].get(key)):
                others = ", ".join(other for other in known if other != name)
                raise InputError(
                    f"configuration, capture.{key}: got {capture[key]} with preset: {name}, whose few steps and small "
                    f"images are for the synthetic capture only; name the preset of your capture ({others})."
                )
    return preset


def _default_root(config: Config) -> str:
    """Return the folder of a capture without `capture.root`; raise InputError if it cannot be derived."""
    if config.capture.source == "demo":
        return f"resources/captures/{config.subject or 'demo'}"
    if config.capture.entity is not None:
        return f"resources/captures/{config.capture.entity}"
    raise InputError(
        f"configuration, capture: the key 'root' is missing, the folder of the capture for capture.source: "
        f"{config.capture.source}; add it."
    )


def _subject_of(root: str) -> str:
    """Return the name of a capture's folder as the name of a subject."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", Path(root).resolve().name).lstrip("_.-")
    if not NAME.fullmatch(name):
        raise InputError(f"configuration, subject: no name can be derived from {root}; add the key.")
    return name


def _refuse_former_keys(raw: Mapping[str, Any]) -> None:
    """Raise InputError for a key of an earlier version, naming its successor."""
    for former, successor in FORMER.items():
        value: Any = raw
        for part in former.split("."):
            value = value.get(part, _ABSENT) if isinstance(value, Mapping) else _ABSENT
        if value is not _ABSENT:
            remedy = f"is called {successor} now; rename it" if successor else "is fixed now; leave it out"
            raise InputError(f"configuration, {former}: this key of an earlier version {remedy}.")


_ABSENT = object()
