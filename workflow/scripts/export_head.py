from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

import numpy as np

from splatrig.components.rig_file import open_rig
from splatrig.control.labels import caption_of
from splatrig.control.panel import read_panel
from splatrig.control.track import read_track
from splatrig.export.head import Clip, component_clip, morph_head, write_head_glb
from splatrig.mesh.template import read_template

inputs, params = snakemake.input, snakemake.params
template = read_template(inputs.template)
rig, _ = open_rig(inputs.components, inputs.neutral, template, Path())
panel = read_panel(inputs.panel)
track = read_track(inputs.track).ordered(panel.names)
low, high = np.minimum(panel.low, track.weights.min(axis=0)), np.maximum(panel.high, track.weights.max(axis=0))
names = [caption_of(name) for name in panel.names]
head = morph_head(rig, template.levels[params.level], names, low, high)
tour = Clip("expressions", track.times - track.times[0], head.weights(track.weights))
write_head_glb(snakemake.output.glb, head, [tour, component_clip(head)], name=params.name, sparse=params.sparse)
