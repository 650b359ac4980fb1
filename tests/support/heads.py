"""Heads with planted components for tests of control."""

from dataclasses import replace

import numpy as np

from splatrig.components.rig import Rig
from splatrig.components.skin import skin_of
from splatrig.control.head import Family, Head
from splatrig.control.panel import panel_of
from splatrig.mesh.template import Template, build_template
from support import planted


def template(made: planted.Head) -> Template:
    return build_template(made.vertices, made.faces, 0, center_vertex=int(made.vertices[:, 2].argmax()))


def family(made: planted.Head, name: str, *, skin: bool = False, **options: object) -> Family:
    components = planted.components(made, **options)
    level = template(made).levels["base"]
    panel = panel_of(name, components, level, subject="planted", neutral_frame=components.frames[0])
    worn = skin_of(made.vertices, made.faces) if skin else None
    return Family(Rig.of(components, made.neutral, worn), panel)


def blendshapes(made: planted.Head, subject: str = "planted") -> Family:
    """The family of `planted.blendshapes` on a head."""
    parts = planted.blendshapes(planted.components(made, family="learned", attributes=planted.ALL_ATTRIBUTES, count=4))
    level = template(made).levels["base"]
    panel = panel_of("learned_arkit", parts, level, subject=subject, neutral_frame=parts.frames[0])
    return Family(Rig.of(parts, made.neutral), panel)


def head(subdivisions: int = 2, *, skin: bool = False) -> Head:
    """A head of two families, of which the second moves centers alone; with `skin`, Gaussians follow it there."""
    made = planted.head(subdivisions)
    families = {
        "pca_all": family(made, "pca_all", family="pca", skin=skin, attributes=planted.ALL_ATTRIBUTES, count=4, seed=3),
        "sldc_gauss_xyz": family(made, "sldc_gauss_xyz", skin=skin, count=5),
    }
    return Head("planted", families, template(made))


def zeros(made: Head) -> dict[str, np.ndarray]:
    return {name: np.zeros(panel.count) for name, panel in made.panels.items()}


def subdivided_head(free: int = 40) -> Head:
    """A learned head on one subdivision of a coarse sphere, with free Gaussians after its vertices."""
    coarse, fine = planted.head(1), planted.head(2)
    levels = build_template(coarse.vertices, coarse.faces, 1, center_vertex=int(coarse.vertices[:, 2].argmax()))
    level = levels.finest_level
    neutral = replace(fine.neutral, means=level.vertices.astype(np.float32))
    made = planted.Head(level.vertices, level.faces, neutral)
    parts = planted.components(made, family="learned", attributes=planted.ALL_ATTRIBUTES, count=4, seed=3)
    if free:
        parts = planted.with_free(parts, neutral, free)
    panel = panel_of("learned_global", parts, level, subject="planted", neutral_frame=parts.frames[0])
    return Head("planted", {"learned_global": Family(Rig.of(parts, neutral), panel)}, levels)
