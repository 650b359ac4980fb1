"""Tracks from each kind of data, on rigs whose true weights are known: what goes in comes out again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from splatrig.capture.layout import CaptureLayout
from splatrig.components.component_file import Components
from splatrig.components.rig import Rig
from splatrig.components.weights import weights_of_displacements
from splatrig.control.fit import tracked_displacements, weights_of_gaussians
from splatrig.control.photographs import weights_from_frame_photographs
from splatrig.gaussians.gaussians import Gaussians
from splatrig.io.errors import InputError
from splatrig.learned.compare import Comparison
from splatrig.mesh.template import build_template
from support import heads, planted
from support import subject as learned_subject
from support.known_rig import RENDER
from support.raw_capture import UNREFERENCED, RawCapture

NOISE_MM = 0.15
"""Standard deviation of the demo's tracked vertices; fitted centers are about as far off along the skin."""

FROM_FITS = 0.01
"""Largest error of a weight in [0, 1] at that noise, from hundreds of vertices that move up to 10 mm."""

FROM_MESHES = 0.02
"""Largest error of weights up to 4 at that noise."""

FROM_PHOTOGRAPHS = 0.04
"""Largest error of a weight in [0, 1] from a few small photographs: here half a millimeter of 12."""


def noisy(gaussians: Gaussians, generator: np.random.Generator) -> Gaussians:
    moved = gaussians.means + NOISE_MM * generator.standard_normal(gaussians.means.shape)
    return replace(gaussians, means=moved.astype(np.float32))


@pytest.mark.parametrize("kind", ["sldc", "learned"])
def test_weights_come_back_from_noisy_fitted_frames(kind):
    family = heads.family(planted.head(3), f"{kind}_x", family=kind, count=5)
    generator = np.random.default_rng(0)
    truth = family.rig.components.W[1:5]
    frames = [noisy(family.rig.pose(weights), generator) for weights in truth]
    found = weights_of_gaussians(family.rig.components, frames, family.rig.neutral, ridge=1e-6)
    assert np.abs(found - truth).max() < FROM_FITS


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return RawCapture(tmp_path_factory.mktemp("raw") / "capture", {"E001_Neutral": 1, "SEN_unseen": 3}).write()


def chin_down(raw: RawCapture) -> tuple[NDArray, NDArray]:
    """The rest head and where one unit of the capture's only motion takes it."""
    first, second = (raw.head["SEN_unseen", frame][UNREFERENCED:] for frame in raw.frames("SEN_unseen")[:2])
    return first, second - first


def test_weights_come_back_from_tracked_meshes_of_an_unseen_segment_whatever_the_pose(raw):
    rest, moves = chin_down(raw)
    template = build_template(rest, raw.faces - UNREFERENCED, 1, center_vertex=0)
    finest = template.levels["subd1"]
    made = planted.Head(finest.vertices, finest.faces, on_vertices(finest.vertices))
    family = heads.family(made, "pca_all", family="pca", count=3)
    parts = family.rig.components
    up = template.between("base", "subd1")
    C = parts.C.copy()
    C[1] = (up @ moves).ravel() / parts.std  # between two bumps that take no part
    family = replace(family, rig=Rig.of(replace(parts, C=C), made.neutral))
    frames, displacements = tracked_displacements(CaptureLayout(raw.root), "SEN_unseen", "E001_Neutral", template)
    assert frames == tuple(raw.frames("SEN_unseen"))
    expected = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 4.0, 0.0]])
    found = weights_of_displacements(family.rig.components, displacements, ridge=0.0)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    shaken = displacements + NOISE_MM * np.random.default_rng(0).standard_normal(displacements.shape)
    found = weights_of_displacements(family.rig.components, shaken, ridge=0.0)
    np.testing.assert_allclose(found, expected, atol=FROM_MESHES)


def test_a_segment_without_meshes_is_named(raw):
    rest, _ = chin_down(raw)
    template = build_template(rest, raw.faces - UNREFERENCED, 0, center_vertex=0)
    with pytest.raises(InputError, match="SEN_absent"):
        tracked_displacements(CaptureLayout(raw.root), "SEN_absent", "E001_Neutral", template)


def on_vertices(vertices: NDArray) -> Gaussians:
    one = planted.head(0).neutral
    fields = {name: np.repeat(array[:1], len(vertices), axis=0) for name, array in one.items()}
    return Gaussians(**(fields | {"means": vertices.astype(np.float32)}))


def true_components(subject: learned_subject.Subject) -> Components:
    """The two bulges with their flush, as `learned_subject.write_subject` photographs them."""
    finest = subject.template.levels[subject.template.finest]
    made = planted.Head(finest.vertices, finest.faces, subject.neutral)
    parts = planted.components(made, attributes=("xyz", "f_dc"), count=2, frames=len(learned_subject.WEIGHTS))
    base, up = subject.template.levels["base"], subject.template.between("base", subject.template.finest)
    bulges = [up @ learned_subject.bulged(base.vertices, unit) - finest.vertices for unit in np.eye(2)]
    flushes = [np.repeat(0.8 * side[:, None], 3, axis=1) for side in learned_subject.sides_of(finest.vertices)]
    C = np.stack([np.concatenate([b.ravel(), f.ravel()]) for b, f in zip(bulges, flushes, strict=True)])
    return replace(parts, C=(C / parts.std).astype(np.float32), W=learned_subject.WEIGHTS.astype(np.float32))


def test_weights_come_back_from_the_photographs_of_one_frame_even_where_its_mesh_is_wrong(tmp_path: Path):
    subject = learned_subject.write_subject(tmp_path)
    components = true_components(subject)
    name, truth = "E002/000015", learned_subject.WEIGHTS[5]
    neutral, frame = (tmp_path / "dataset" / place for place in ("E000/000000/000000.obj", f"{name}/000015.obj"))
    frame.write_bytes(neutral.read_bytes())  # as if tracking had missed the expression: the search starts at 0
    comparison = Comparison(subject, RENDER, 120, torch.device("cpu"))
    found = weights_from_frame_photographs(comparison, components, name)
    assert np.abs(found - truth).max() < FROM_PHOTOGRAPHS
    with pytest.raises(InputError, match=r"frame E009/000000: expected a frame of frames\.csv"):
        weights_from_frame_photographs(comparison, components, "E009/000000")
