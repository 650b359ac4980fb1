import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from splatrig.learned.jaw import Rigid, find_chin, mouth_of
from splatrig.mesh.marks import FaceMarks
from splatrig.mesh.template import build_template
from support import planted

GENERATOR = np.random.default_rng(0)
PLACES = torch.as_tensor(GENERATOR.standard_normal((12, 3)) * 10)
MOVES, TURNS = torch.as_tensor(GENERATOR.standard_normal((2, 4, 3)))


def known(places: torch.Tensor) -> torch.Tensor:  # [4, S, 3]
    return MOVES[:, None] + torch.linalg.cross(TURNS[:, None].expand(4, len(places), 3), places.expand(4, -1, 3))


def test_a_rigid_motion_is_found_and_goes_on_beyond_the_places_that_told_it() -> None:
    found = Rigid.fitted(PLACES, known(PLACES))
    elsewhere = torch.tensor([[40.0, -20, 5], [0, 0, 0]], dtype=torch.float64)
    torch.testing.assert_close(found.at(elsewhere), known(elsewhere))


def test_fits_of_components_add_up_to_the_fit_of_a_frame() -> None:
    noisy = known(PLACES) + torch.as_tensor(GENERATOR.standard_normal((4, 12, 3)))
    weights = torch.as_tensor(GENERATOR.random((2, 4)))
    blended = Rigid.fitted(PLACES, noisy).blended(weights)
    whole = Rigid.fitted(PLACES, torch.einsum("fk,kjc->fjc", weights, noisy))
    torch.testing.assert_close(blended.at(PLACES), whole.at(PLACES))


def test_a_place_in_a_pose_is_found_at_rest() -> None:
    rigid, own = Rigid.fitted(PLACES, known(PLACES)), torch.tensor([3, 0, 2])
    rest = PLACES[:3]
    posed = rest + rigid.at(rest)[own, torch.arange(3)]
    torch.testing.assert_close(rigid.from_pose(posed, own), rest)


def test_quaternions_turn_with_the_jaw_to_first_order() -> None:
    small = Rigid(PLACES[0], MOVES, 1e-3 * TURNS)
    quats = torch.nn.functional.normalize(torch.as_tensor(GENERATOR.standard_normal((5, 4))), dim=1)
    turned = torch.nn.functional.normalize(quats + small.turned(quats), dim=-1)
    for k in range(4):
        expected = Rotation.from_rotvec(small.turns[k].numpy()) * Rotation.from_quat(quats.numpy(), scalar_first=True)
        away = Rotation.from_quat(turned[k].numpy(), scalar_first=True) * expected.inv()
        assert away.magnitude().max() < 1e-5


def face(generator: np.random.Generator) -> np.ndarray:  # [V, 3]
    """Points of a face around a mouth at the origin, most of them below it."""
    return np.concatenate([generator.uniform([-60, -55, -30], [60, -2, 10], (800, 3)), [[0, 0, 5.0]]])


def opened(vertices: np.ndarray, degrees: float) -> np.ndarray:
    """Return vertices of a face whose chin turns about a hinge at the ears; cheeks beside it hang back."""
    hinge = np.array([0.0, 20, -80])
    turned = Rotation.from_euler("x", degrees, degrees=True).apply(vertices - hinge) + hinge
    part = np.clip(1.4 - np.abs(vertices[:, :1]) / 25, 0, 1) * (vertices[:, 1:2] < -6)
    return vertices + part * (turned - vertices)


def test_the_chin_is_what_moves_rigidly_below_the_mouth() -> None:
    vertices = face(GENERATOR)
    posed = np.stack(
        [vertices, opened(vertices, 14), opened(vertices, 8), vertices + GENERATOR.normal(0, 0.2, vertices.shape)]
    )
    chin = find_chin(vertices, posed, np.zeros(3))
    assert len(chin) > 20
    assert np.abs(vertices[chin, 0]).max() < 15, "what hangs back is left out"
    assert vertices[chin, 1].max() < -6


def test_faces_whose_chin_never_moves_or_only_puckers_have_no_jaw() -> None:
    vertices = face(GENERATOR)
    assert len(find_chin(vertices, np.stack([vertices, vertices + 0.5]), np.zeros(3))) == 0
    puckered = vertices * [0.5, 1.3, 1.0] + GENERATOR.normal(0, 4.0, vertices.shape)
    assert len(find_chin(vertices, np.stack([vertices, puckered]), np.zeros(3))) == 0
    assert len(find_chin(vertices[:5], vertices[None, :5], np.zeros(3))) == 0


def openings_of(vertices: np.ndarray, *places: tuple[float, float, float]) -> list[np.ndarray]:
    return [np.linalg.norm(vertices - place, axis=1).argsort()[:5] for place in places]


@pytest.mark.parametrize("marked", [False, True])
def test_the_mouth_is_the_lowest_opening_in_the_middle_with_what_is_next_to_it_or_at_its_mark(marked: bool) -> None:
    """Closed meshes are stretched at both corners of the mouth."""
    head = planted.head(2)
    front = head.vertices[:, 2].max()
    places = [(20.0, -40.0, front), (-20.0, -40.0, front), (0.0, 40.0, front), (90.0, -50.0, 0.0)]
    rims, nowhere = openings_of(head.vertices, *places), np.zeros(3)
    at = head.vertices[rims[2]].mean(axis=0)
    level = build_template(
        head.vertices, head.faces, 0, marks=FaceMarks(nowhere, nowhere, nowhere, at) if marked else None
    ).base
    expected = rims[2] if marked else np.concatenate(rims[:2])
    np.testing.assert_array_equal(mouth_of(level, rims), expected)
    assert len(mouth_of(level, [])) == 0
