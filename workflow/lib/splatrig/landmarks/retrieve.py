"""Retrieve the networks that find a face, its eyes, and people, from a pinned wheel on the package index.

The wheel of `mediapipe` (whose code is neither used nor installed) carries them under Apache-2.0. Its Linux wheel for
Python 3.11 is taken on every machine: the networks are the same in all of them, the wheel's bytes are not.
"""

import hashlib
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path
from splatrig.io.wheel import Wheel, download_wheel

WHEEL = Wheel(
    requirement="mediapipe==0.10.14",
    sha256="a807328339e7356fda0bb14df12fedbf1d33bdf81649c5f8666b0026b1cc30b4",
    what="The networks that find faces",
    otherwise="give landmarks of your own (capture.landmarks)",
    options=("--python-version", "3.11", "--platform", "manylinux_2_17_x86_64"),
)


@dataclass(frozen=True)
class Member:
    """A file of the wheel with its SHA-256."""

    name: str
    sha256: str


DETECTOR = Member(
    "mediapipe/modules/face_detection/face_detection_short_range.tflite",
    "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
)
"""Network that finds faces in a photograph."""
MESH = Member(
    "mediapipe/modules/face_landmark/face_landmark.tflite",
    "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
)
"""Network that finds the points of a face."""
IRIS = Member(
    "mediapipe/modules/iris_landmark/iris_landmark.tflite",
    "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
)
"""Network that finds lids and iris in a crop around an eye."""
SEGMENTATION = Member(
    "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",
    "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
)
"""Network that separates people from the background."""
LICENSE = Member(
    "mediapipe-0.10.14.dist-info/LICENSE", "8707eef0533987efc5b155d64761eeb6e20793f50b9bd1a68dad1cf4719d0ed8"
)
"""Text of the Apache-2.0 license."""


def retrieve_face_networks(detector: str | Path, mesh: str | Path, iris: str | Path, license_path: str | Path) -> None:
    """Write the three networks of faces and the license; raise InputError as `retrieve_members` does."""
    retrieve_members({DETECTOR: detector, MESH: mesh, IRIS: iris, LICENSE: license_path}, WHEEL)


def retrieve_segmentation_network(network: str | Path, license_path: str | Path) -> None:
    """Write the network that finds people and the license; raise InputError as `retrieve_members` does."""
    wheel = replace(WHEEL, what="The network that finds people", otherwise="set capture.background to silhouette")
    retrieve_members({SEGMENTATION: network, LICENSE: license_path}, wheel)


def retrieve_members(targets: Mapping[Member, str | Path], wheel: Wheel) -> None:
    """Download the pinned wheel to a temporary folder, check it, and write each of its members to its path.

    Raises:
        InputError: The wheel cannot be downloaded or is not the pinned one; nothing is written then.
    """
    with tempfile.TemporaryDirectory(prefix="splatrig-networks-") as folder:
        path = download_wheel(wheel, Path(folder))
        content = [extract(path, member) for member in targets]
    for target, data in zip(targets.values(), content, strict=True):
        with atomic_path(target) as temporary:
            temporary.write_bytes(data)


def extract(wheel: str | Path, member: Member) -> bytes:
    """Return a file of the wheel; raise InputError when it is not there or not the pinned one."""
    with zipfile.ZipFile(wheel) as archive:
        if member.name not in archive.namelist():
            raise InputError(f"{WHEEL.what}: {Path(wheel).name} holds no {member.name}; retrieve it again.")
        data = archive.read(member.name)
    found = hashlib.sha256(data).hexdigest()
    if found != member.sha256:
        raise InputError(
            f"{WHEEL.what}: {member.name} has SHA-256 {found}, expected {member.sha256}; nothing of it is used: "
            "retrieve it again."
        )
    return data
