import sys

import pytest

from splatrig.capture.demo.ray_tracer import check_ray_tracer
from splatrig.io.errors import InputError


def test_a_machine_without_the_ray_tracer_is_told_what_it_lacks(monkeypatch):
    monkeypatch.setattr("splatrig.capture.demo.ray_tracer.find_spec", {}.get)
    with pytest.raises(InputError, match=r"embreex, .* got none on this machine .*ARM Linux.*preset: local"):
        check_ray_tracer()


def test_a_machine_with_it_is_not(monkeypatch):
    monkeypatch.setattr("splatrig.capture.demo.ray_tracer.find_spec", {"embreex": sys}.get)
    check_ray_tracer()
