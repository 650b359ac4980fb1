"""Regions of photographs, from labels of the capture or from the tracked mesh."""

import logging
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from splatrig.capture.krt import as_krt, write_krt
from splatrig.capture.labels import write_labels
from splatrig.capture.layout import CaptureLayout
from splatrig.capture.regions import Shown, labels_of, write_regions
from splatrig.dataset.regions import REGIONS, Region, RegionFolder
from splatrig.landmarks.rims import Rim, Rims
from splatrig.mesh.nearest import Places
from splatrig.mesh.silhouette import silhouette
from support import subject as small

WHOLE, SKIN, MOUTH, EYES, HAIR, BEYOND = (int(region) for region in Region)


def test_matte_mesh_and_openings_give_flags_by_hand():
    matte = np.array([[1, 1, 1, 1, 0, 0]], dtype=bool)
    covered = np.array([[1, 1, 1, 0, 0, 1]], dtype=bool)
    mouth = np.array([[0, 1, 0, 0, 0, 1]], dtype=bool)
    eyes = np.array([[0, 1, 1, 0, 0, 0]], dtype=bool)
    shown = Shown(matte, covered)
    expected = [[WHOLE | SKIN, WHOLE | MOUTH, WHOLE | EYES, WHOLE | BEYOND, 0, 0]]
    assert_array_equal(shown.with_openings(mouth, eyes), expected)
    labels = np.array([[1, 2, 0, 4, 4, 3]], dtype=np.uint8)
    assert_array_equal(shown.with_labels(labels), [[WHOLE | SKIN, WHOLE | MOUTH, WHOLE, WHOLE | HAIR | BEYOND, 0, 0]])


def test_a_photograph_without_a_matte_has_nothing_beyond_the_mesh():
    everything = np.ones((2, 3), dtype=bool)
    shown = Shown(everything, ~everything)
    assert_array_equal(shown.flags, np.full((2, 3), WHOLE))


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    made = small.write_subject(tmp_path_factory.mktemp("subject"))
    return replace(made, dataset=replace(made.dataset, cameras=made.cameras.measuring))


def written(subject, folder, rims=Rims(), **options):  # noqa: B008 (a frozen value)
    regions = RegionFolder(folder)
    names = subject.names("train")[:2]
    counts = write_regions(regions, subject.dataset, names, subject.template, rims, **options)
    size = subject.cameras.width, subject.cameras.height
    return counts, [regions.read(name, subject.cameras.names[0], *size) for name in names]


def test_files_hold_what_matte_and_mesh_say_and_counts_are_theirs(subject, tmp_path, caplog):
    faces = subject.template.base.faces
    front = Rim(Places(np.arange(8), np.full((8, 3), 1 / 3)), np.zeros((8, 3)))
    with caplog.at_level(logging.INFO):
        counts, flags = written(subject, tmp_path, Rims(mouth=(front,)), threads=2)
    assert sorted(path.name for path in tmp_path.rglob("*.png")) == ["400000.png"] * 2
    assert "rims of mouth and eyes" in caplog.text
    assert "hair not known" in caplog.text
    for name, own, pixels in zip(subject.names("train"), flags, counts, strict=False):
        frame = subject.dataset.frame(name)
        camera = frame.cameras
        with Image.open(frame.photograph(0)) as image:
            matte = np.asarray(image)[..., 3] > 127
        mesh = small.bulged(subject.template.base.vertices, small.WEIGHTS[subject.names("train").index(name)])
        covered = silhouette(mesh, faces, camera.viewmats[0], camera.Ks[0], camera.width, camera.height) > 127
        assert_array_equal((own & WHOLE) > 0, matte)
        assert_array_equal((own & BEYOND) > 0, matte & ~covered)
        assert_array_equal((own & SKIN) > 0, matte & covered & ((own & MOUTH) == 0))
        assert pixels.tolist() == [int((own & region > 0).sum()) for region in Region]
        assert pixels[REGIONS.index("eyes")] == pixels[REGIONS.index("hair")] == 0


def test_labels_decide_and_a_photograph_without_them_shows_no_parts(subject, tmp_path):
    layout, camera = CaptureLayout(tmp_path / "raw"), subject.cameras
    labeled, bare = subject.names("train")[:2]
    place = (labeled.split("/")[0], camera.names[0], labeled.split("/")[1])
    for path in (layout.image(*place), layout.labels(*place)):
        path.parent.mkdir(parents=True)
    twice = 2 * camera.width, 2 * camera.height
    Image.new("RGB", twice).save(layout.image(*place))
    half = np.where(np.arange(twice[0]) < camera.width, 4, 3).astype(np.uint8)
    write_labels(layout.labels(*place), half[None].repeat(twice[1], axis=0))
    write_krt(layout.krt, as_krt(camera))
    labels = labels_of(layout, camera)
    assert labels(bare, camera.names[0]) is None
    _, (first, second) = written(subject, tmp_path / "regions", labels=labels, labeled=True)
    inside = (first & WHOLE) > 0
    columns = np.broadcast_to(np.arange(camera.width), inside.shape)
    assert_array_equal((first & HAIR) > 0, inside & (columns < camera.width // 2))
    assert_array_equal((first & EYES) > 0, inside & (columns >= camera.width // 2))
    assert not (first & SKIN).any()
    assert (second & WHOLE).any()
    assert not (second & (SKIN | MOUTH | EYES | HAIR)).any()
