from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

from splatrig.components.rig_file import open_rig
from splatrig.control.panel import read_panel
from splatrig.export.bundle import Coefficients, write_bundle

inputs, params = snakemake.input, snakemake.params
rig, _ = open_rig(inputs.components, inputs.neutral, inputs.template, Path())
panel = read_panel(inputs.panel)
write_bundle(
    snakemake.output.rig,
    rig,
    Coefficients(panel.names, panel.low, panel.high, panel.presets),
    family=params.family,
    subject=params.subject,
)
