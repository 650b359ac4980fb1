"""A ball of Gaussians with learned-looking components, as a head and as its page, for benchmarks of posing."""

from pathlib import Path

import numpy as np
from scipy.spatial import ConvexHull

from splatrig.components.component_file import Components
from splatrig.components.fields import Columns
from splatrig.components.rig import Rig
from splatrig.control.filters import tour
from splatrig.control.head import Family, Head
from splatrig.control.panel import panel_of
from splatrig.control.web.pack import pack_head
from splatrig.control.web.page import build_page, header_of
from splatrig.dataset.cameras import Cameras
from splatrig.gaussians.gaussians import Gaussians
from splatrig.mesh.template import build_template
from support.harness import ROOT, web_renderer

RADIUS_MM = 90.0
FRAMES = 20
MOVED = ("xyz", "f_dc", "rotation", "scale")
"""What components move."""


def ball(count: int, components: int, *, local_cosine: float | None = 0.7, size: float = 0.02) -> Head:
    """Return a ball of `count` Gaussians; half of its components are global, half local.

    Local ones reach as far from their centers as the cosine of the angle says, or, with None, over the whole ball;
    `size` is the standard deviation of a component's entries.
    """
    generator = np.random.default_rng(0)
    rank = np.arange(count) + 0.5
    height, turn = 1 - 2 * rank / count, np.pi * (1 + 5**0.5) * rank
    across = np.sqrt(1 - height**2)
    directions = np.stack([across * np.cos(turn), across * np.sin(turn), height], axis=1)
    vertices, faces = RADIUS_MM * directions, ConvexHull(directions).simplices.astype(np.int64)
    spacing = RADIUS_MM * np.sqrt(4 * np.pi / count)
    neutral = Gaussians(
        means=vertices.astype(np.float32),
        quats=np.tile(np.float32([1, 0, 0, 0]), (count, 1)),
        log_scales=np.full((count, 3), np.log(0.6 * spacing), dtype=np.float32),
        logit_opacities=np.full(count, 3.0, dtype=np.float32),
        sh0=(0.5 * np.sin(vertices / 9.0))[:, None].astype(np.float32),
        shN=(0.02 * generator.standard_normal((count, 15, 3))).astype(np.float32),
    )
    columns = Columns(MOVED, count)
    template, families, own = build_template(vertices, faces, 0, center_vertex=0), {}, components // 2
    for name, kind in (("learned_global", "pca"), ("learned_local", "sldc")):
        C = size * generator.standard_normal((own, len(columns)), dtype=np.float32)
        if kind == "sldc" and local_cosine is not None:
            near = directions @ directions[generator.integers(0, count, own)].T > local_cosine  # [N, K]
            C *= np.stack([columns.of_gaussians(mask) for mask in near.T])
        made = Components(
            family=kind,
            W=generator.random((FRAMES, own), dtype=np.float32),
            C=C,
            mean=columns.row_of(neutral),
            std=np.ones(len(columns), dtype=np.float32),
            offset=None,
            columns=columns,
            faces=faces,
            face_mask=vertices[:, 2] > 0,
            frames=tuple(f"E{frame // 5:03d}/{frame:06d}" for frame in range(FRAMES)),
            names=tuple(f"{kind} {index:02d}" for index in range(own)),
            limits=(0.0, 1.0) if kind == "sldc" else None,
        )
        panel = panel_of(name, made, template.levels["base"], subject="ball", neutral_frame="")
        families[name] = Family(Rig.of(made, neutral), panel)
    return Head("ball", families, template)


def front_cameras(width: int, height: int) -> Cameras:
    """Return a held-out camera 1 m in front of the ball."""
    viewmat = np.diag([1.0, -1.0, -1.0, 1.0])
    viewmat[2, 3] = 1000.0
    K = np.array([[4.0 * height, 0.0, width / 2], [0.0, 4.0 * height, height / 2], [0.0, 0.0, 1.0]])
    return Cameras(("front",), viewmat[None], K[None], width, height, np.ones(1, dtype=bool))


def write_page(path: Path, head: Head, cameras: Cameras) -> None:
    """Write the web head of a ball, with a track that moves through its expressions."""
    track = tour(head.panels["learned_global"], rate=10, move_s=0.3, hold_s=0.1)
    packed = pack_head(head, cameras.pixel_size(np.zeros(3)))
    header, blob = header_of(head, packed, cameras, {"tour": track})
    sources = ROOT / "workflow" / "web"
    page = build_page(header, blob, title="ball", footer=[], sources=sources, renderer=web_renderer())
    path.write_text(page, encoding="utf-8")
