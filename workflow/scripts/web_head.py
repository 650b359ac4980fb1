from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import json
import logging
from pathlib import Path

import numba

from splatrig.animation.family import frontal_order
from splatrig.components.labels import title_of
from splatrig.components.rig_file import open_rig
from splatrig.config.models import ControlDrag, from_mapping
from splatrig.control.head import Family, Head
from splatrig.control.panel import read_panel
from splatrig.control.track import read_track
from splatrig.control.web.measure import cost_of
from splatrig.control.web.pack import pack_head
from splatrig.control.web.page import build_page, footer_of, header_of
from splatrig.dataset.cameras import read_cameras
from splatrig.dataset.pose import read_pose
from splatrig.io.files import atomic_path
from splatrig.jobs.device import choose_device
from splatrig.mesh.template import read_template

numba.set_num_threads(snakemake.threads)
inputs, params = snakemake.input, snakemake.params
template, families = read_template(inputs.template), {}
for name, components, panel in zip(params.families, inputs.components, inputs.panels, strict=True):
    rig, pose_file = open_rig(components, inputs.neutral, template, Path(inputs.dataset), follow=params.follow_skin)
    families[name] = Family(rig, read_panel(panel))
head = Head(params.subject, families, template)
cameras = read_cameras(inputs.cameras).in_head_space(read_pose(pose_file))
cameras = cameras.select(frontal_order(cameras, head.base.means))
tracks = {}
for path in inputs.tracks:
    track = read_track(path)
    tracks[f"{Path(path).stem} · {title_of(track.family)}"] = track
packed = pack_head(head)
shown = cameras.select(cameras.held_out) if cameras.held_out.any() else cameras
device = choose_device(params.device, snakemake.threads)
cost = cost_of(
    head,
    packed,
    shown.select(range(min(len(shown), params.measured_cameras))),
    choose_device(params.device, snakemake.threads),
)
header, blob = header_of(head, packed, cameras, tracks, from_mapping(ControlDrag, params.drag))
footer = footer_of(head, packed, cost, params.notice)
page = build_page(
    header,
    blob,
    title=f"splatrig · {params.subject}",
    footer=footer,
    sources=Path(inputs.sources[0]).parent,
    renderer=inputs.renderer,
)
with atomic_path(snakemake.output.page) as temporary:
    temporary.write_text(page, encoding="utf-8")
numbers = {
    "subject": params.subject,
    "families": params.families,
    "gaussians": len(head.base),
    "components": len(packed.steps),
    "page_bytes": len(page.encode()),
    "head_bytes": len(blob),
    "left_out": list(packed.left_out),
    "quantisation": cost.as_mapping(),
}
logging.info("%s", json.dumps(numbers))
with atomic_path(snakemake.output.numbers) as temporary:
    temporary.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
