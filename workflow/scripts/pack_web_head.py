from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import json
import logging
from pathlib import Path

import numba

from splatrig.animation.family import frontal_order
from splatrig.components.rig_file import open_rig
from splatrig.control.head import Family, Head
from splatrig.control.panel import read_panel
from splatrig.control.track import read_track
from splatrig.control.web.measure import cameras_to_measure, cost_of
from splatrig.control.web.pack import pack_head
from splatrig.control.web.page import build_page, footer_of, header_of, numbers_of, titles_of
from splatrig.dataset.cameras import read_cameras
from splatrig.dataset.pose import read_pose
from splatrig.io.files import write_text
from splatrig.jobs.device import choose_device
from splatrig.mesh.template import read_template

inputs, params, output = snakemake.input, snakemake.params, snakemake.output
device = choose_device(params.device, snakemake.threads)
numba.set_num_threads(snakemake.threads)
template, families = read_template(inputs.template), {}
for name, components, panel in zip(params.families, inputs.components, inputs.panels, strict=True):
    rig, pose_file = open_rig(components, inputs.neutral, template, Path(inputs.dataset))
    families[name] = Family(rig, read_panel(panel))
head = Head(params.subject, families, template)
cameras = read_cameras(inputs.cameras).in_head_space(read_pose(pose_file))
packed = pack_head(head, cameras.pixel_size(head.base.means.mean(axis=0)))
cameras = cameras.select(frontal_order(cameras, head.base.means))
cost = cost_of(head, packed, cameras_to_measure(cameras, params.measured_cameras), device)
tracks = titles_of({path: read_track(path) for path in inputs.tracks})
header, blob = header_of(head, packed, cameras, tracks)
page = build_page(
    header,
    blob,
    title=f"splatrig · {params.subject}",
    footer=footer_of(head, packed, cost, params.notice),
    sources=Path(inputs.sources[0]).parent,
    renderer=inputs.renderer,
)
write_text(output.page, page)
numbers = numbers_of(head, packed, cost, page, blob)
logging.info("%s", json.dumps(numbers))
write_text(output.numbers, json.dumps(numbers, indent=1) + "\n")
