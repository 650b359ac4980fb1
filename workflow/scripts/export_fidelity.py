from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

import numba

from splatrig.animation.family import frontal_order
from splatrig.components.rig_file import open_rig
from splatrig.config.names import track_of_pose
from splatrig.control.panel import read_panel
from splatrig.dataset.cameras import read_cameras
from splatrig.dataset.pose import read_pose
from splatrig.evaluation.table import write_table
from splatrig.export.fidelity import CAMERAS, measure
from splatrig.export.poses import weights_of_pose
from splatrig.io.files import as_paths
from splatrig.jobs.device import choose_device

inputs, params = snakemake.input, snakemake.params
numba.set_num_threads(snakemake.threads)
rig, pose_file = open_rig(inputs.components, inputs.neutral, inputs.template, Path(inputs.dataset))
device = choose_device(params.device, snakemake.threads)
panel = read_panel(inputs.panel)
named = [(pose, track_of_pose(pose, params.expressions)) for pose in params.poses]
tracks = dict(zip([pose for pose, track in named if track], as_paths(inputs.tracks), strict=True))
originals = {pose: rig.pose(weights_of_pose(pose, panel, tracks.get(pose))) for pose in params.poses}
files = {pose: [path for path in inputs.files if Path(path).stem == pose] for pose in params.poses}
cameras = read_cameras(inputs.cameras).in_head_space(read_pose(pose_file))
cameras = cameras.select(frontal_order(cameras, rig.neutral.means)[:CAMERAS])
write_table(snakemake.output.table, measure(originals, files, cameras, device))
