import subprocess
import sys

import torch

from splatrig.fitting.optimizer import ADAM_BETAS, ADAM_EPSILON, Adam


def _parameters() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"means": (7, 3), "sh": (7, 15, 3), "opacity": (7,), "unused": (2,)}
    return {name: torch.randn(shape, generator=generator).requires_grad_() for name, shape in shapes.items()}


def test_steps_have_the_bits_of_torch():
    ours, theirs = _parameters(), _parameters()
    rates = {"means": 0.1, "sh": 0.01, "opacity": 0.5, "unused": 1.0}
    adam = Adam(ours, ADAM_BETAS, ADAM_EPSILON)
    reference = torch.optim.Adam(
        [{"params": [p], "lr": rates[name]} for name, p in theirs.items()],
        betas=ADAM_BETAS,
        eps=ADAM_EPSILON,
        fused=True,
    )
    for _ in range(20):
        for parameters in (ours, theirs):
            for parameter in parameters.values():
                parameter.grad = None
            (parameters["means"].sin().sum() * parameters["opacity"].sum() + parameters["sh"].pow(4).sum()).backward()
        adam.step(rates)
        reference.step()
    for name in ours:
        assert torch.equal(ours[name], theirs[name])


def test_the_first_step_is_as_long_as_the_rate():
    parameter = torch.tensor([3.0, -2.0, 5.0], requires_grad=True)
    adam = Adam({"p": parameter}, ADAM_BETAS, ADAM_EPSILON)
    (parameter * torch.tensor([1e-9, 4.0, -100.0])).sum().backward()
    adam.step({"p": 0.25})
    torch.testing.assert_close(parameter.detach(), torch.tensor([2.75, -2.25, 5.25]))


def test_fitting_does_not_import_the_compiler_of_torch():
    code = (
        "import sys, torch, splatrig.fitting.fitting\n"
        "from splatrig.fitting.optimizer import Adam\n"
        "p = torch.ones(3, requires_grad=True)\n"
        "a = Adam({'p': p}, (0.9, 0.999), 1e-8)\n"
        "p.sum().backward()\n"
        "a.step({'p': 0.1})\n"
        "sys.exit('torch._dynamo' in sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], check=False)
    assert result.returncode == 0
