"""LPIPS where its weights are on the machine: the real way of loading them, with AlexNet's weights drawn at random."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch
from torch import nn

ALEXNET = """
import torch
from pathlib import Path
from torch import nn

resnet50 = vgg16 = VGG16_Weights = None  # torchmetrics imports them for other metrics

class AlexNet_Weights:
    DEFAULT = "IMAGENET1K_V1"

class AlexNet(nn.Module):
    def __init__(self):
        super().__init__()
        layers, before = [], 3
        shapes = (64, 11, 4, 2), (192, 5, 1, 2), (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1)
        for (after, size, stride, padding), pool in zip(shapes, (True, True, False, False, True)):
            layers += [nn.Conv2d(before, after, size, stride, padding), nn.ReLU()] + pool * [nn.MaxPool2d(3, 2)]
            before = after
        self.features = nn.Sequential(*layers)

def alexnet(*, weights):
    model = AlexNet()
    if weights is not None:
        (path,) = (Path(torch.hub.get_dir()) / "checkpoints").glob("alexnet-*.pth")
        model.load_state_dict(torch.load(path, weights_only=True), strict=False)
    return model
"""
"""torchvision's AlexNet, for machines without torchvision: the same layers (Krizhevsky 2014), loaded from torch.hub."""

MEASURE = """
import json, sys, torch
from splatrig.fitting.metrics import lpips_available, measure
first, noise = torch.rand((2, 64, 64, 3), generator=torch.Generator().manual_seed(1))
inside = torch.zeros((64, 64), dtype=torch.bool)
inside[8:56, 8:56] = True
photographed = first * inside[..., None]
def lpips(share):
    return measure(torch.lerp(photographed, noise * inside[..., None], share), photographed, inside)["mask"].lpips
outside = measure(torch.where(inside[..., None], photographed, noise), photographed, inside)
apart = [lpips(share) for share in (0.0, 0.1, 0.5)]
json.dump([lpips_available(), *apart, outside["mask"].lpips, outside["image"].lpips], sys.stdout)
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lpips")
    namespace: dict = {}
    exec(ALEXNET, namespace)
    torch.manual_seed(0)
    network: nn.Module = namespace["AlexNet"]()
    checkpoints = folder / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    if find_spec("torchvision") is None:
        package, described = folder / "site" / "torchvision", folder / "site" / "torchvision-0.1.dist-info"
        for directory in (package, described):
            directory.mkdir(parents=True)
        (package / "__init__.py").write_text("from torchvision import models, transforms\n__version__ = '0.1'\n")
        (package / "transforms.py").write_text("")  # for other metrics, too
        (package / "models.py").write_text(ALEXNET)
        (described / "METADATA").write_text("Metadata-Version: 2.1\nName: torchvision\nVersion: 0.1\n")
    else:
        from torchvision.models import alexnet

        network = alexnet(weights=None)
    torch.save(network.state_dict(), checkpoints / "alexnet-owt-7be5be79.pth")
    environment = os.environ | {"TORCH_HOME": str(folder), "PYTHONPATH": str(folder / "site")}
    done = subprocess.run([sys.executable, "-c", MEASURE], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_weights_on_disk_are_found_and_loaded(measured):
    available, *_ = measured
    assert available is True


def test_equal_pictures_are_at_distance_zero_and_noise_moves_them_apart(measured):
    _, same, near, far, *_ = measured
    assert same == pytest.approx(0.0, abs=1e-6)
    assert 1e-4 < near < far


def test_what_is_outside_of_the_silhouette_counts_in_the_picture_alone(measured):
    *_, inside, everywhere = measured
    assert inside == pytest.approx(0.0, abs=1e-6)
    assert everywhere > 1e-4
