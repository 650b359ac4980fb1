from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging
from pathlib import Path

from splatrig.components.rig_file import open_rig
from splatrig.components.units import read_units
from splatrig.control.filters import tour
from splatrig.control.panel import panel_of, write_panel
from splatrig.control.track import write_track
from splatrig.dataset.frames import read_frames
from splatrig.mesh.template import read_template

inputs, params = snakemake.input, snakemake.params
template = read_template(inputs.template)
rig, _ = open_rig(inputs.components, inputs.neutral, template, Path())
frames = read_frames(inputs.frames)
neutral = frames[frames["neutral"]].iloc[0]
units = inputs.get("units")
tracked = template.base.vertices
panel = panel_of(
    params.family,
    rig.components,
    template.levels[template.finest],
    subject=params.subject,
    neutral_frame=f"{neutral['expression']}/{neutral['frame']}",
    units=read_units(units, rig.components.frames, len(tracked)) if units else None,
)
logging.info("%d sliders: %s; presets: %s", len(panel.names), ", ".join(panel.names), ", ".join(panel.presets))
write_panel(snakemake.output.panel, panel)
write_track(snakemake.output.tour, tour(panel))
