from dataclasses import replace

import numpy as np
import pytest

from splatrig.components.rig import Rig
from splatrig.components.weights import positions
from splatrig.control.head import Family
from splatrig.control.retarget import retargeted
from splatrig.control.track import Track
from splatrig.io.errors import InputError
from support import heads, planted

A_HEAD = planted.head(2)
A = heads.family(A_HEAD, "pca_all", family="pca", attributes=planted.ALL_ATTRIBUTES, count=4)


def another_subject(mixed: bool, kind: str = "pca") -> Family:
    """A wider, longer head of the same topology whose components mix A's, or are the bumps of its own shape."""
    made = planted.head(2, seed=5)
    vertices = made.vertices * [1.1, 1.25, 0.9] + [0.0, 5.0, -3.0]
    made = replace(made, vertices=vertices, neutral=replace(made.neutral, means=vertices.astype(np.float32)))
    family = heads.family(made, f"{kind}_b", family=kind, count=4)
    if not mixed:
        return family
    mixing = np.random.default_rng(0).normal(size=(4, 4))
    C = (mixing @ flat(A)) / family.rig.components.std
    return replace(family, rig=Rig.of(replace(family.rig.components, C=C.astype(np.float32)), made.neutral))


def flat(family: Family) -> np.ndarray:  # [K, 3 N]
    return positions(family.rig.components).reshape(family.rig.count, -1).astype(np.float64)


def free_of_limits(family: Family) -> Family:
    return replace(family, rig=Rig.of(replace(family.rig.components, limits=None), family.rig.neutral))


def a_track(family: Family, rows: int = 5) -> Track:
    weights = np.random.default_rng(1).uniform(0.1, 0.9, size=(rows, family.panel.count))
    return Track(np.arange(rows) / 30, family.panel.names, weights, family.panel.family, "planted", "made by hand")


def moved(family: Family, track: Track) -> np.ndarray:
    return track.weights @ flat(family)


def test_displacements_in_millimetres_are_the_same_where_the_other_head_can():
    B = another_subject(mixed=True)
    track = a_track(A)
    played = retargeted(track, A, B, ridge=0.0)
    assert np.allclose(moved(B, played), moved(A, track), atol=2e-3)
    assert (played.family, played.names) == (B.panel.family, B.panel.names)
    assert np.array_equal(played.times, track.times)
    back = retargeted(played, B, A, ridge=0.0)
    assert np.allclose(back.weights, track.weights, atol=1e-3)


def test_elsewhere_they_are_the_nearest():
    B = another_subject(mixed=False)
    track = a_track(A)
    played = retargeted(track, A, B, ridge=0.0)
    expected = np.linalg.lstsq(flat(B).T, moved(A, track).T, rcond=None)[0].T
    assert np.allclose(played.weights, expected, atol=1e-4)


def test_local_components_of_the_other_head_only_push():
    B = another_subject(mixed=False, kind="sldc")
    track = replace(a_track(A), weights=np.random.default_rng(2).normal(size=(5, 4)))
    played = retargeted(track, A, B, ridge=0.0)
    assert played.weights.min() >= 0.0 and played.weights.max() <= 1.0
    free = retargeted(track, A, free_of_limits(B), ridge=0.0)
    assert free.weights.min() < 0.0

    def residual(track_: Track) -> float:
        return float(np.square(moved(B, track_) - moved(A, track)).sum())

    assert residual(free) <= residual(played) <= residual(replace(played, weights=np.clip(free.weights, 0, 1))) + 1e-6


def test_a_mask_lets_only_the_face_speak():
    B = another_subject(mixed=False)
    mask = A_HEAD.vertices[:, 2] > 0
    assert not np.allclose(
        retargeted(a_track(A), A, B, ridge=0.0, mask=mask).weights, retargeted(a_track(A), A, B, ridge=0.0).weights
    )


def test_other_topologies_and_tracks_of_others_are_refused():
    with pytest.raises(InputError, match="expected the same topology, got 162 and 42 Gaussians"):
        retargeted(a_track(A), A, heads.family(planted.head(1), "pca_all", family="pca"), ridge=0.0)
    B = another_subject(mixed=False, kind="sldc")
    with pytest.raises(InputError, match="made for another rig"):
        retargeted(a_track(B), A, B, ridge=0.0)


def test_blendshapes_are_driven_by_their_names():
    first, made = heads.blendshapes(A_HEAD), planted.head(2, seed=5)
    second = heads.blendshapes(replace(made, vertices=made.vertices * [1.1, 1.25, 0.9]), "another")
    order = np.array([2, 0, 3, 1])
    mixed = second.rig.components.select(order)
    names = tuple(second.panel.names[k] for k in order)
    other = replace(second, rig=Rig.of(mixed, made.neutral), panel=replace(second.panel, names=names))
    track = a_track(first)
    played = retargeted(track, first, other)
    np.testing.assert_array_equal(played.weights, track.weights[:, order])
    assert not np.allclose(retargeted(track, first, A).weights, track.weights)
