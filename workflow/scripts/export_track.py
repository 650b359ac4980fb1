from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

from splatrig.components.rig_file import open_rig
from splatrig.control.filters import resampled
from splatrig.control.panel import read_panel
from splatrig.control.track import read_track
from splatrig.export.usd import write_usd_track
from splatrig.jobs.progress import track

inputs, params = snakemake.input, snakemake.params
rig, _ = open_rig(inputs.components, inputs.neutral, inputs.template, Path())
weights = resampled(read_track(inputs.track).ordered(read_panel(inputs.panel).names), params.fps).weights
poses = map(rig.pose, track(weights, "track", total=len(weights), unit="frame"))
write_usd_track(snakemake.output.usd, poses, frames_per_second=params.fps, name=params.name)
