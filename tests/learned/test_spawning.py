from dataclasses import replace

import numpy as np
import pytest
import torch

from splatrig.gaussians.free import Motion
from splatrig.learned.jaw import Rigid
from splatrig.learned.spawning import Points, at_errors, behind, behind_openings, motions_of, nearest, scored
from support.looks import DISTANCE, EYES, SIDE, empty_look, painted


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def points_at(*places: tuple[float, float, float], frame: int = 0, color: float = 0.5) -> Points:
    means = torch.tensor(places)
    count = len(means)
    return Points(means, torch.full((count, 3), color), torch.full((count,), frame), torch.ones(count))


def test_points_are_where_cameras_see_errors_and_near_the_surface() -> None:
    look, place = empty_look(), torch.tensor([20.0, -15.0, 0.0])
    painted(look, look.error, place, 0.4)
    found = at_errors([empty_look(), look], 50, generator())
    assert len(found) == 50
    assert (found.frames == 1).all(), "the other frame has no error"
    seen = look.project(found.means)
    assert (seen.read(look.error) > 0).any(dim=0).all()
    assert (found.means - place).norm(dim=1).median() < 30
    for camera in range(len(EYES)):
        here = seen.read(look.error)[camera] > 0
        assert (seen.depth[camera][here] > DISTANCE - 45).all()
        assert (seen.depth[camera][here] < DISTANCE + 45).all()


def test_points_that_more_cameras_find_wrong_are_wanted_more() -> None:
    look, place = empty_look(), torch.tensor([20.0, -15.0, 0.0])
    painted(look, look.error, place, 0.4)
    away = torch.tensor([[20.0, -15.0, 0.0], [20.0, -15.0, -25.0], [-60.0, 40.0, 0.0]])
    scores = scored(away, look, 0).scores
    assert scores[0] == pytest.approx(0.4, rel=1e-4)
    assert 0 < scores[1] < scores[0]
    assert scores[2] == 0


def test_what_any_matte_shows_empty_is_empty() -> None:
    look, place = empty_look(), torch.tensor([20.0, -15.0, 0.0])
    painted(look, look.error, place, 0.4)
    look.matte[1] = 0.0
    assert scored(place[None], look, 0).scores[0] == 0
    assert len(at_errors([look], 20, generator())) == 0


def test_colors_are_the_mean_of_those_that_see_and_disagreement_counts_against() -> None:
    look, place = empty_look(), torch.tensor([20.0, -15.0, 0.0])
    painted(look, look.error, place, 0.4)
    look.photo[0], look.photo[1:] = 0.8, 0.2
    found = scored(place[None], look, 0)
    torch.testing.assert_close(found.colors[0], torch.full((3,), 0.4))
    assert found.scores[0] < 0.4 * np.exp(-(0.08 / 0.12**2)) * 1.01
    look.depth[0] = DISTANCE - 100  # something is in front of it
    found = scored(place[None], look, 0)
    torch.testing.assert_close(found.colors[0], torch.full((3,), 0.2))
    assert found.scores[0] == pytest.approx(0.4, rel=1e-4)


def test_no_error_wants_no_point() -> None:
    assert len(at_errors([empty_look()], 20, generator())) == 0


def test_empty_mattes_get_no_points() -> None:
    look = empty_look()
    look.error[:], look.matte[:] = 0.5, 0.0
    assert len(at_errors([look, look], 20, generator())) == 0
    outward = torch.tensor([[0.0, 0.0, 1.0]])
    assert len(behind_openings([look, look], [torch.zeros(3, dtype=torch.int64)], outward, 20, generator())) == 0


def test_a_matte_that_is_wrong_by_a_pixel_keeps_what_is_inside() -> None:
    look, place = empty_look(), torch.tensor([20.0, -15.0, 0.0])
    painted(look, look.error, place, 0.4)
    look.matte[:] = 0.0
    painted(look, look.matte, place, 1.0, reach=3)
    shifted = replace(look, matte=look.matte.roll(1, dims=2))
    for seen in (look, shifted):
        found = at_errors([seen], 20, generator())
        assert len(found) > 0
        assert (found.means - place).norm(dim=1).max() < 60


def test_openings_get_points_between_their_rims_and_behind() -> None:
    angles = torch.linspace(0, 2 * torch.pi, 13)[:-1]
    rim = torch.stack([12 * angles.cos(), 6 * angles.sin(), torch.full_like(angles, 5.0)], dim=1)
    look = replace(empty_look(torch.cat([torch.full((4, 3), 99.0), rim])), alpha=torch.zeros(3, SIDE, SIDE))
    look.error[:] = 0.2
    outward = torch.tensor([[0.0, 0.0, 1.0]])
    found = behind_openings([look, look], [torch.arange(4, 16)], outward, 40, generator())
    assert len(found) == 40
    assert ((found.means[:, :2] / torch.tensor([12.1, 6.1])).norm(dim=1) < 1).all()
    assert (found.means[:, 2] < 8.1).all()
    assert (found.means[:, 2] > -30.1).all()
    assert found.means[:, 2].max() - found.means[:, 2].min() > 20
    assert set(found.frames.tolist()) == {0, 1}


def test_parents_are_the_nearest_in_the_pose_of_the_frame() -> None:
    draw = torch.randn((2, 30, 3), generator=generator()) * 40
    looks = [empty_look(means) for means in draw]
    points = Points.joined([points_at((1.0, 2, 3), (40, 0, 0)), points_at((1.0, 2, 3), (0, -40, 0), frame=1)])
    expected = [
        (draw[frame] - point).norm(dim=1).argmin() for point, frame in zip(points.means, points.frames, strict=True)
    ]
    assert nearest(points, looks).tolist() == [int(index) for index in expected]


def test_what_keeps_its_color_where_it_is_stands_still_and_what_keeps_it_along_does_not() -> None:
    """Two red dots, one of which goes along with the parent, which drops by 30 mm in the second frame."""
    fixed, moving, drop = torch.tensor([20.0, 30.0, 0]), torch.tensor([-20.0, 30.0, 0]), torch.tensor([0.0, -30.0, 0])
    looks = [empty_look(torch.zeros((1, 3))), empty_look(drop[None])]
    red = [1.0, 0.0, 0.0]
    for frame, look in enumerate(looks):
        painted(look, look.photo, fixed, red)
        painted(look, look.photo, moving + frame * drop, red)
    points = points_at(tuple(fixed.tolist()), tuple(moving.tolist()))
    points = replace(points, colors=torch.tensor([red, red]))
    parents = torch.zeros(2, dtype=torch.int64)
    assert motions_of(points, parents, looks).tolist() == [Motion.STILL, Motion.PARENT]
    later = replace(points, means=torch.stack([fixed, moving + drop]), frames=torch.tensor([1, 1]))
    assert motions_of(later, parents, looks).tolist() == [Motion.STILL, Motion.PARENT]


def test_what_keeps_its_color_with_the_jaw_moves_with_it_where_that_is_asked() -> None:
    """A red dot far behind the chin, which turns about x by a small angle while the parent drops."""
    place, drop = torch.tensor([0.0, 30.0, 40.0]), torch.tensor([0.0, -30.0, 0])
    turns = torch.tensor([[0.0, 0, 0], [0.5, 0, 0]])
    jaw = Rigid(torch.zeros(3), torch.zeros((2, 3)), turns)
    there = place + torch.linalg.cross(turns[1], place)
    looks = [empty_look(torch.zeros((1, 3))), empty_look(drop[None])]
    red = [1.0, 0.0, 0.0]
    for look, where in zip(looks, (place, there), strict=True):
        look.depth[:] = 2 * DISTANCE  # nothing is in front
        painted(look, look.photo, where, red)
    parents = torch.zeros(1, dtype=torch.int64)
    for frame, where in enumerate((place, there)):
        points = replace(points_at(tuple(where.tolist()), frame=frame), colors=torch.tensor([red]))
        assert motions_of(points, parents, looks, jaw).tolist() == [Motion.JAW]
        assert motions_of(points, parents, looks, jaw, torch.tensor([True])).tolist() == [Motion.JAW]
        assert motions_of(points, parents, looks, jaw, torch.tensor([False])).tolist() != [Motion.JAW]
        assert motions_of(points, parents, looks).tolist() != [Motion.JAW]


def test_points_behind_a_mouth_are_told_from_those_beside_and_in_front_of_it() -> None:
    angles = torch.linspace(0, 2 * torch.pi, 13)[:-1]
    rim = torch.stack([12 * angles.cos(), 6 * angles.sin(), torch.full_like(angles, 5.0)], dim=1)
    moved = rim + torch.tensor([0.0, -40.0, 0.0])
    looks, outward = [empty_look(rim), empty_look(moved)], torch.tensor([0.0, 0.0, 1.0])
    places = [(0.0, 0, 0), (0, 0, 20.0), (0, 0, -40.0), (30.0, 0, 0), (0, -40.0, 0)]
    here = behind(points_at(*places), looks, torch.arange(12), outward)
    assert here.tolist() == [True, False, False, False, False]
    assert behind(points_at(*places, frame=1), looks, torch.arange(12), outward).tolist() == [False] * 4 + [True]


def test_where_nothing_moves_nothing_is_said_to_stand_still() -> None:
    looks = [empty_look(), empty_look()]
    assert (motions_of(points_at((0.0, 0, 0)), torch.zeros(1, dtype=torch.int64), looks) == Motion.PARENT).all()
    nothing = points_at((0.0, 0, 0)).select(torch.zeros(1, dtype=torch.bool))
    assert len(motions_of(nothing, torch.zeros(0, dtype=torch.int64), looks)) == 0


def test_the_same_generator_draws_the_same_points() -> None:
    look = empty_look()
    look.error[:] = torch.rand(look.error.shape, generator=generator(3))
    first, again, other = (at_errors([look], 10, generator(seed)).means for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
