from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.tracking.export import merge_tables
from splatrig.tracking.job import shots_of
from splatrig.tracking.picture import draw_tracking

inputs, params, output = snakemake.input, snakemake.params, snakemake.output
table = merge_tables(output.frames, inputs.frames)
merge_tables(output.weights, inputs.weights)
photographs = [shots_of(folder, inputs.cameras, params) for folder in inputs.images]
draw_tracking(output.picture, table, photographs, inputs.meshes)
