"""The retrieved face networks for tests: kept below resources/retrieved, as the workflow keeps them."""

from functools import cache
from pathlib import Path

import pytest

from splatrig.io.errors import InputError
from splatrig.landmarks.iris import IrisFinder
from splatrig.landmarks.network import FaceFinder
from splatrig.landmarks.retrieve import retrieve_face_networks, retrieve_segmentation_network
from splatrig.landmarks.segmentation import Segmenter

FOLDER = Path(__file__).resolve().parents[2] / "resources" / "retrieved"
DETECTOR, MESH = FOLDER / "face_detection_short_range.tflite", FOLDER / "face_landmark.tflite"
IRIS = FOLDER / "iris_landmark.tflite"
PEOPLE = FOLDER / "selfie_segmentation.tflite"


@cache
def networks_missing() -> str | None:
    """Return why the networks cannot be had, after trying to retrieve them, or None."""
    if not all(path.is_file() for path in (DETECTOR, MESH, IRIS)):
        try:
            retrieve_face_networks(DETECTOR, MESH, IRIS, FOLDER / "mediapipe_LICENSE.txt")
        except InputError as error:
            return str(error)
    return None


def face_finder() -> FaceFinder:
    """Return the networks; skip the test, saying why, when they cannot be had."""
    skip_without_networks()
    return FaceFinder(DETECTOR, MESH)


def iris_finder() -> IrisFinder:
    """Return the network for eyes; skip the test, saying why, when it cannot be had."""
    skip_without_networks()
    return IrisFinder(IRIS)


def segmenter() -> Segmenter:
    """Return the network that finds people; skip the test, saying why, when it cannot be had."""
    if not PEOPLE.is_file():
        try:
            retrieve_segmentation_network(PEOPLE, FOLDER / "selfie_segmentation_LICENSE.txt")
        except InputError as error:
            pytest.skip(str(error))
    return Segmenter(PEOPLE)


def skip_without_networks() -> None:
    """Skip the test, saying why, when the networks cannot be had."""
    reason = networks_missing()
    if reason is not None:
        pytest.skip(reason)
