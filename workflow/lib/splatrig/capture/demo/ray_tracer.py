"""Check that this machine can render the demo's head."""

import platform
from importlib.util import find_spec

from splatrig.io.errors import InputError


def check_ray_tracer() -> None:
    """Raise InputError if embreex, the ray tracer of the demo, is not installed: it has no wheel for ARM Linux."""
    if find_spec("embreex") is None:
        raise InputError(
            "preset: demo: expected the ray tracer embreex, which photographs the demo's head, got none on this "
            f"machine ({platform.system()}, {platform.machine()}); install it (pip install embreex) or, on ARM Linux, "
            "for which there is none, run the demo on another machine. Captures of your own (preset: local) need none."
        )
