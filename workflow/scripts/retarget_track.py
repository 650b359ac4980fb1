from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

from splatrig.components.rig_file import open_rig
from splatrig.control.head import Family
from splatrig.control.panel import read_panel
from splatrig.control.retarget import retargeted
from splatrig.control.track import read_track, write_track

inputs = snakemake.input
source_rig, _ = open_rig(inputs.source_components, inputs.source_neutral, inputs.source_template, Path())
target_rig, _ = open_rig(inputs.components, inputs.neutral, inputs.template, Path())
source = Family(source_rig, read_panel(inputs.source_panel))
target = Family(target_rig, read_panel(inputs.panel))
track = retargeted(read_track(inputs.source_track), source, target)
write_track(snakemake.output.track, track)
