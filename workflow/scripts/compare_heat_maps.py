from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging
from pathlib import Path

from splatrig.animation.family import compare_heat, frontal_order
from splatrig.animation.heatmap import look
from splatrig.animation.pictures import write_png
from splatrig.animation.render import picture_cameras
from splatrig.components.labels import label_of
from splatrig.components.rig_file import open_rig
from splatrig.dataset.cameras import read_cameras
from splatrig.dataset.pose import read_pose
from splatrig.mesh.template import read_template

params = snakemake.params
template = read_template(snakemake.input.template)
rigs = {}
for path, method in zip(snakemake.input.components, params.methods, strict=True):
    rigs[label_of(method)], pose_file = open_rig(path, snakemake.input.neutral, template, Path(snakemake.input.dataset))
rig = next(iter(rigs.values()))
cameras = picture_cameras(read_cameras(snakemake.input.cameras), params.image_height)
cameras = cameras.in_head_space(read_pose(pose_file))
view = look(rig.neutral.means, rig.components.faces, cameras.select(frontal_order(cameras, rig.neutral.means)))
write_png(snakemake.output.picture, compare_heat(rigs, view, params.components))
logging.info("%d methods, %d components each", len(rigs), params.components)
