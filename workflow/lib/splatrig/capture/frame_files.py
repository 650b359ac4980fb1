"""Files of one frame of a raw capture."""

from dataclasses import dataclass

from splatrig.io.files import File


@dataclass(frozen=True)
class FrameFiles:
    """Files of one frame of a raw capture; None where a file is missing."""

    segment: str
    frame: str
    mesh: File | None
    """The tracked mesh, in the form that the capture's tracker reads."""
    pose: File | None
    """The file with the rigid motion from head to world."""
    cameras: tuple[str, ...]
    """The cameras, of those asked for, that have an image of this frame."""
    masked: tuple[str, ...]
    """The cameras, of those asked for, that have a mask of this frame."""
    positions: File | None = None
    """Head-space positions next to a mesh of the raw layout: `{frame}.bin`, little-endian float32."""
