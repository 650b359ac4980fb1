from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

from splatrig.components.rig_file import open_rig
from splatrig.control.panel import read_panel
from splatrig.export.poses import weights_of_pose
from splatrig.export.splats import write_splat_glb
from splatrig.gaussians.axes import PLY_AXES, to_axes
from splatrig.gaussians.ply import write_splats
from splatrig.gaussians.spz import write_spz
from splatrig.io.files import as_paths

inputs, params = snakemake.input, snakemake.params
rig, _ = open_rig(inputs.components, inputs.neutral, inputs.template, Path())
track = next(iter(as_paths(inputs.track)), None)
gaussians = rig.pose(weights_of_pose(params.pose, read_panel(inputs.panel), track))
write_splats(snakemake.output.ply, to_axes(gaussians, PLY_AXES))
write_spz(snakemake.output.spz, to_axes(gaussians, "metres"))
write_spz(snakemake.output.spz4, to_axes(gaussians, "metres"), version=4)
write_splat_glb(snakemake.output.glb, gaussians, name=params.pose)
