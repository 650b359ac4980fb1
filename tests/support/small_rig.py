"""A small rig and what goes with it, for tests of exported files."""

import numpy as np

from splatrig.components.rig import Rig
from splatrig.components.skin import skin_of
from splatrig.control.panel import Panel
from splatrig.mesh.template import Level, build_template
from support import planted

HEAD = planted.head(2)
NAMES = ("SLDC 01 · chin · jawOpen", "SLDC 02 · lèvre", "SLDC 03 · brow")


def rig(family: str = "sldc", *, follow: bool = False) -> Rig:
    attributes = ("xyz",) if family == "sldc" else planted.ALL_ATTRIBUTES
    parts = planted.components(HEAD, family=family, attributes=attributes)
    return Rig.of(parts, HEAD.neutral, skin_of(HEAD.vertices, HEAD.faces) if follow else None)


def level() -> Level:
    return build_template(HEAD.vertices, HEAD.faces, 1).levels["base"]


def panel(rig_: Rig) -> Panel:
    W = rig_.components.W
    count = rig_.count
    return Panel(
        family="sldc_gauss_xyz",
        subject="planted",
        names=NAMES,
        low=np.minimum(W.min(axis=0), 0),
        high=np.maximum(W.max(axis=0), 0),
        limits=None,
        mean=W.mean(axis=0),
        covariance=np.eye(count),
        neutral=np.zeros(count),
        presets={"E001": W[3].astype(float), "E002-7s": W[5].astype(float)},
    )
