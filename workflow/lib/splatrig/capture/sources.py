"""Facts about a capture that are known before the run, by its source: segments, cameras, numbers of tracked frames."""

from pathlib import Path

import yaml

from splatrig.capture.codec_avatars import AVA256
from splatrig.capture.demo.camera_names import camera_names
from splatrig.capture.formats import READ_IN_PLACE, open_capture
from splatrig.capture.reader import Reader
from splatrig.capture.release import available_segments, choose_segments
from splatrig.config.models import Config
from splatrig.io.errors import InputError
from splatrig.io.files import is_stray


def known_segments(config: Config, resources: Path) -> list[str] | None:
    """Return the segments to choose from; None when they are not known before the run.

    `resources` is the folder of that name. Raises InputError for your own capture if it lacks required files.
    """
    capture = config.capture
    if capture.source == "multiface":
        entity = resources / "multiface" / f"{capture.entity}.yaml"
        return available_segments(entity, Path(str(capture.root)) / "archives" / "release.csv", capture.download.links)
    if capture.source == "photographs":
        return _photographed(Path(str(capture.root)))
    reader = _reader(config)
    return None if reader is None else reader.segments()


def _reader(config: Config) -> Reader | None:
    """Return the reader of a capture that exists before the run, else None."""
    capture, root = config.capture, Path(str(config.capture.root))
    if capture.source not in READ_IN_PLACE:
        return None
    if capture.source == "ava256" and capture.entity is not None and not (root / AVA256.frame_list).is_file():
        return None
    return open_capture(capture.source, root)


def _photographed(root: Path) -> list[str]:
    """Return the segments of a folder of photographs or videos; raise InputError where it has neither."""
    folders = [path for name in ("images", "videos") if (root / name).is_dir() for path in (root / name).iterdir()]
    if not folders:
        raise InputError(
            f"capture.root: {root} has no photographs, expected images/{{segment}}/{{camera}}/{{frame}}.png or "
            "videos/{segment}/{camera}.mp4 for capture.source: photographs; name their folder (docs/captures.md)."
        )
    return sorted({path.name for path in folders if path.is_dir() and not is_stray(path.name)})


def given_photographs(root: Path, segment: str) -> Path:
    """Return the folder of a segment's photographs, or of its videos, in a capture without tracked meshes."""
    photographs, videos = (root / name / segment for name in ("images", "videos"))
    return videos if videos.is_dir() and not photographs.is_dir() else photographs


def _photographing(root: Path, neutral: str) -> list[str] | None:
    """Return the cameras with a folder of photographs, or a video, of the neutral; None if there are neither."""
    folder = given_photographs(root, neutral)
    if not folder.is_dir():
        return None
    entries = [path for path in folder.iterdir() if not is_stray(path.name)]
    return sorted({path.name if path.is_dir() else path.stem for path in entries})


def chosen_expressions(config: Config, resources: Path) -> list[str]:
    """Return the segments to use: a list, those of a preset that the capture has, or all that it has.

    Raises InputError for an unknown preset, for segments that the capture lacks, and for `all` of a source that lists
    nothing before the run.
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
    """Raise InputError if the configuration requires masks and they do not exist before the run.

    The masks of the demo are created by the run.
    """
    capture = config.capture
    if capture.background != "masks" or capture.source not in ("local", "multiface", "photographs"):
        return
    folder = Path(str(capture.root)) / "masks"
    missing = [name for name in expressions if not (folder / name).is_dir()]
    if missing:
        raise InputError(
            f"capture.background: masks needs {folder}/{{segment}}/{{camera}}/{{frame}}.png of every expression, and "
            f"there is no folder of {', '.join(missing[:5])}; add the masks, or set capture.background to silhouette."
        )


def known_cameras(config: Config) -> list[str] | None:
    """Return the names of all cameras if they are known before the run, else None."""
    if config.capture.source == "demo":
        return camera_names(config.demo.cameras)
    root = Path(str(config.capture.root))
    if config.capture.source == "photographs":
        return _photographing(root, config.neutral)
    reader = open_capture(config.capture.source, root)
    return list(reader.calibration()) if reader.krt.is_file() else None


def tracked_frames(config: Config, expressions: list[str]) -> dict[str, int]:
    """Return the number of tracked meshes of each expression, if the capture exists before the run."""
    reader = _reader(config)
    if reader is None or config.capture.entity is not None:
        return {}
    return {name: sum(files.mesh is not None for files in reader.frames(name, ())) for name in expressions}
