from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

from splatrig.animation.blendshape_sheet import blendshape_sheet
from splatrig.animation.pictures import write_jpeg
from splatrig.components.rig_file import open_rig
from splatrig.dataset.cameras import read_cameras
from splatrig.dataset.pose import read_pose
from splatrig.jobs.device import choose_device
from splatrig.mesh.template import read_template

inputs, params = snakemake.input, snakemake.params
rig, pose_file = open_rig(inputs.components, inputs.neutral, read_template(inputs.template), Path(inputs.dataset))
photographed = read_cameras(inputs.cameras).in_head_space(read_pose(pose_file))
device = choose_device(params.device, snakemake.threads)
write_jpeg(snakemake.output.sheet, blendshape_sheet(rig, photographed, params.image_height, device))
