import numpy as np
import pytest
import torch

from splatrig.fitting.occlusion import Occlusion

KEY = (0, 6, 12, 3, 0)


@pytest.fixture
def sphere() -> tuple[torch.Tensor, torch.Tensor]:
    """Centers on a sphere of 80 mm, and their normals."""
    directions = np.random.default_rng(0).standard_normal((4000, 3))
    normals = torch.as_tensor(directions / np.linalg.norm(directions, axis=1, keepdims=True), dtype=torch.float32)
    return 80.0 * normals, normals


def looking_from(eye: torch.Tensor) -> torch.Tensor:  # [4, 4]
    """Return the map from head space to a camera at `eye` that is turned in some way."""
    turn = torch.tensor([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    viewmat = torch.eye(4)
    viewmat[:3, :3], viewmat[:3, 3] = turn, -turn @ eye
    return viewmat


def seen(
    occlusion: Occlusion, sphere: tuple, viewmat: torch.Tensor, key: tuple[int, ...] = KEY
) -> torch.Tensor:  # [N] bool
    """Return what one camera is shown."""
    means, normals = sphere
    shown = occlusion.shown(means[None], normals, viewmat[None], [key])
    assert shown is not None
    return shown[0]


@pytest.mark.parametrize("cosine", [0.0, 0.2, 0.7])
def test_what_turns_away_from_the_camera_is_hidden(sphere: tuple, cosine: float) -> None:
    means, normals = sphere
    eye = torch.tensor([300.0, -100.0, 900.0])
    shown = seen(Occlusion(cosine, 0.0), sphere, looking_from(eye))
    towards = (eye - means) / (eye - means).norm(dim=1, keepdim=True)
    facing = (normals * towards).sum(dim=1)
    clear = (facing + cosine).abs() > 1e-4
    assert torch.equal(shown[clear], (facing > -cosine)[clear])
    assert shown.any()
    assert not shown.all()


@pytest.mark.parametrize("cosine", [-0.4, 0.0, 0.4])
def test_what_faces_no_side_is_never_hidden(sphere: tuple, cosine: float) -> None:
    means, normals = sphere
    faceless = torch.arange(len(means)) % 3 == 0
    viewmat = looking_from(torch.tensor([300.0, -100.0, 900.0]))
    shown = seen(Occlusion(cosine, 0.0), (means, normals.masked_fill(faceless[:, None], 0.0)), viewmat)
    assert shown[faceless].all()
    assert torch.equal(shown[~faceless], seen(Occlusion(cosine, 0.0), sphere, viewmat)[~faceless])


def test_dropout_hides_its_share_anew_for_every_key_and_alike_for_the_same(sphere: tuple) -> None:
    occlusion = Occlusion(None, 0.1)
    shown = seen(occlusion, sphere, torch.eye(4))
    assert abs(float(shown.float().mean()) - 0.9) < 0.02  # four standard deviations
    assert torch.equal(shown, seen(occlusion, sphere, torch.eye(4)))
    other = seen(occlusion, sphere, torch.eye(4), (0, 6, 13, 3, 0))
    assert abs(float((shown & other).float().mean()) - 0.81) < 0.03


def test_both_hide_what_either_hides(sphere: tuple) -> None:
    viewmat = looking_from(torch.tensor([0.0, 0.0, 1000.0]))
    either = [seen(occlusion, sphere, viewmat) for occlusion in (Occlusion(0.2, 0.0), Occlusion(None, 0.3))]
    assert torch.equal(seen(Occlusion(0.2, 0.3), sphere, viewmat), either[0] & either[1])


def test_what_a_camera_is_shown_does_not_depend_on_the_others_of_its_step(sphere: tuple) -> None:
    means, normals = sphere
    moved = torch.stack([means, means + 5.0])
    viewmats = torch.stack([looking_from(torch.tensor([x, 0.0, 900.0])) for x in (0.0, 400.0)])
    keys = [KEY, (0, 6, 12, 4, 0)]
    occlusion = Occlusion(0.2, 0.1)
    both = occlusion.shown(moved, normals, viewmats, keys)
    for index, key in enumerate(keys):
        assert torch.equal(both[index], seen(occlusion, (moved[index], normals), viewmats[index], key))


def test_nothing_to_hide_costs_nothing(sphere: tuple) -> None:
    means, normals = sphere
    assert Occlusion(None, 0.0).shown(means[None], normals, torch.eye(4)[None], [KEY]) is None
