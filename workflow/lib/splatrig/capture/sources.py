"""What a capture tells before the run, by its source: segments, cameras, numbers of tracked frames."""

from pathlib import Path

import yaml

from splatrig.capture.demo.camera_names import camera_names
from splatrig.capture.krt import read_krt
from splatrig.capture.release import available_segments, choose_segments
from splatrig.config.models import Config
from splatrig.io.errors import InputError


def known_segments(config: Config, resources: Path) -> list[str] | None:
    """Return the segments that there are to choose from, or None when nothing tells them before the run.

    `resources`: the folder of that name. Raises InputError for a local capture that lacks what every capture has.
    """
    capture = config.capture
    root = Path(str(capture.root))
    if capture.source == "multiface":
        entity = resources / "multiface" / f"{capture.entity}.yaml"
        return available_segments(entity, root / "archives" / "release.csv", capture.download.links)
    if capture.source != "local":
        return None
    missing = [name for name in ("KRT", "images", "tracked_mesh") if not (root / name).exists()]
    if missing:
        raise InputError(
            f"capture.root: {root} has no {' and no '.join(missing)}, expected a capture in Multiface's layout "
            "for capture.source: local; name its folder, or add what is missing (docs/captures.md)."
        )
    folders = (root / "tracked_mesh").iterdir()
    return sorted(path.name for path in folders if path.is_dir() and not path.name.startswith("."))


def chosen_expressions(config: Config, resources: Path) -> list[str]:
    """Return the segments to use: a list, those of a preset that the capture has, or all that it has.

    Raises InputError for a preset that there is not, for segments that the capture lacks, and for `all` of a source
    that lists nothing before the run.
    """
    asked, known = config.capture.expressions, known_segments(config, resources)
    if asked == "all":
        if known is None:
            raise InputError(
                f"capture.expressions: all needs a list of what there is, and capture.source: {config.capture.source} "
                "gives none before the run; list the segments instead."
            )
        return known
    preset = asked
    if isinstance(asked, str):
        path = resources / "expressions" / f"{asked}.yaml"
        if not path.is_file():
            there = ", ".join(sorted(other.stem for other in path.parent.glob("*.yaml")))
            raise InputError(
                f"capture.expressions: no preset named {asked!r}; there are {there}, or give a list, or all."
            )
        preset = list(yaml.safe_load(path.read_text(encoding="utf-8")))
    return list(preset) if known is None else choose_segments(asked, list(preset), known)


def check_masks(config: Config, expressions: list[str]) -> None:
    """Raise InputError where the configuration wants masks that have to be there before the run and are not.

    Masks of the demo are made by the run.
    """
    capture = config.capture
    if capture.background != "masks" or capture.source not in ("local", "multiface"):
        return
    folder = Path(str(capture.root)) / "masks"
    missing = [name for name in expressions if not (folder / name).is_dir()]
    if missing:
        raise InputError(
            f"capture.background: masks needs {folder}/{{segment}}/{{camera}}/{{frame}}.png of every expression, and "
            f"there is no folder of {', '.join(missing[:5])}; add the masks, or set capture.background to silhouette."
        )


def known_cameras(config: Config) -> list[str] | None:
    """Return the names of all cameras where they are known before the run, else None."""
    if config.capture.source == "demo":
        return camera_names(config.demo.cameras)
    calibration = Path(str(config.capture.root)) / "KRT"
    return list(read_krt(calibration)) if calibration.is_file() else None


def tracked_frames(config: Config, expressions: list[str]) -> dict[str, int]:
    """Return how many tracked meshes there are of each expression, where the capture is there before the run."""
    if config.capture.source != "local":
        return {}
    folders = {name: Path(str(config.capture.root)) / "tracked_mesh" / name for name in expressions}
    return {name: len(list(folder.glob("*.obj"))) for name, folder in folders.items() if folder.is_dir()}
