from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

from splatrig.capture.formats import open_capture
from splatrig.components.rig_file import open_rig
from splatrig.components.weights import weights_of_displacements
from splatrig.control.filters import smoothed
from splatrig.control.fit import frame_times, track_of, tracked_displacements
from splatrig.control.panel import read_panel
from splatrig.control.track import WEIGHT_RIDGE, write_track
from splatrig.io.files import first_path
from splatrig.mesh.template import read_template

inputs, params = snakemake.input, snakemake.params
template = read_template(inputs.template)
rig, _ = open_rig(inputs.components, inputs.neutral, template, Path())
panel = read_panel(inputs.panel)
capture = open_capture(params.source, first_path(inputs.krt).parent)
frames, displacements = tracked_displacements(capture, params.segment, params.neutral, template)
weights = weights_of_displacements(rig.components, displacements, ridge=WEIGHT_RIDGE)
times = frame_times(frames, params.numbers_per_second)
track = track_of(panel, times, weights, f"tracked meshes of {params.segment}")
write_track(snakemake.output.track, smoothed(track, params.smoothing))
