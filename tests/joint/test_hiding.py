import numpy as np
import pytest
import torch

from splatrig.joint.hiding import ALL, Hiding

KEY = (0, 6, 12, 3, 0)


@pytest.fixture
def sphere() -> tuple[torch.Tensor, torch.Tensor]:
    """Centres on a sphere of 80 mm, and their normals."""
    directions = np.random.default_rng(0).standard_normal((4000, 3))
    normals = torch.as_tensor(directions / np.linalg.norm(directions, axis=1, keepdims=True), dtype=torch.float32)
    return 80.0 * normals, normals


def looking_from(eye: torch.Tensor) -> torch.Tensor:  # [4, 4]
    """Return the map from head space to a camera at `eye` that is turned in some way."""
    turn = torch.tensor([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    viewmat = torch.eye(4)
    viewmat[:3, :3], viewmat[:3, 3] = turn, -turn @ eye
    return viewmat


@pytest.mark.parametrize("cosine", [0.0, 0.2, 0.7])
def test_what_turns_away_from_the_camera_is_hidden(sphere: tuple, cosine: float) -> None:
    means, normals = sphere
    eye = torch.tensor([300.0, -100.0, 900.0])
    shown = Hiding(cosine, 0.0).shown(means, normals, looking_from(eye), KEY)
    towards = (eye - means) / (eye - means).norm(dim=1, keepdim=True)
    facing = (normals * towards).sum(dim=1)
    clear = (facing + cosine).abs() > 1e-4
    assert torch.equal(shown[clear] == 1, (facing > -cosine)[clear])
    assert 0 < shown.mean() < 1


def test_dropout_hides_its_share_anew_for_every_key_and_alike_for_the_same(sphere: tuple) -> None:
    means, normals = sphere
    hiding = Hiding(ALL, 0.1)
    shown = hiding.shown(means, normals, torch.eye(4), KEY)
    assert set(shown.unique().tolist()) == {0.0, 1.0}
    assert abs(float(shown.mean()) - 0.9) < 0.02  # four standard deviations
    assert torch.equal(shown, hiding.shown(means, normals, torch.eye(4), KEY))
    other = hiding.shown(means, normals, torch.eye(4), (0, 6, 13, 3, 0))
    assert abs(float((shown * other).mean()) - 0.81) < 0.03


def test_both_hide_what_either_hides(sphere: tuple) -> None:
    means, normals = sphere
    viewmat = looking_from(torch.tensor([0.0, 0.0, 1000.0]))
    either = [hiding.shown(means, normals, viewmat, KEY) for hiding in (Hiding(0.2, 0.0), Hiding(ALL, 0.3))]
    assert torch.equal(Hiding(0.2, 0.3).shown(means, normals, viewmat, KEY), either[0] * either[1])


def test_nothing_to_hide_costs_nothing(sphere: tuple) -> None:
    assert Hiding(ALL, 0.0).shown(*sphere, torch.eye(4), KEY) is None
