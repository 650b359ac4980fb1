"""The raw layout of photographs without tracked meshes: links to the user's files, and decoded videos."""

from pathlib import Path

from splatrig.capture.layout import photographed
from splatrig.config.names import check_name
from splatrig.io.errors import InputError
from splatrig.io.files import atomic_directory, is_stray
from splatrig.tracking.video import decode_video

VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm")
"""File endings of videos, which are decoded to frames."""


def link_photographs(given: str | Path, target: str | Path, frames_per_second: float) -> None:
    """Fill a folder with one link per camera to the photographs of a segment, and decode cameras that are videos.

    Args:
        given: The user's folder of the segment.
        target: The folder to write.
        frames_per_second: Rate at which the numbers in frame names count; videos must have that frame rate.

    Raises:
        InputError: A video cannot be decoded or has another frame rate, or there are no photographs and videos.
    """
    source = Path(given)
    entries = sorted(path for path in source.iterdir() if not is_stray(path.name))
    with atomic_directory(target) as folder:
        for path in entries:
            if path.is_dir():
                for frame in photographed(path):
                    check_name(frame, f"{path}: photograph")
                (folder / path.name).symlink_to(path.absolute())
            elif path.suffix.lower() in VIDEOS:
                decode_video(path, folder / path.stem, frames_per_second)
        if not any(folder.iterdir()):
            raise InputError(
                f"{source}: expected a folder of photographs or a video per camera, got neither; add them."
            )


def link_folder(given: str | Path, target: str | Path) -> None:
    """Fill a folder with links to all files of a user's folder except stray ones.

    Args:
        given: The user's folder.
        target: The folder to write.
    """
    with atomic_directory(target) as folder:
        for path in sorted(Path(given).iterdir()):
            if not is_stray(path.name):
                (folder / path.name).symlink_to(path.absolute())
