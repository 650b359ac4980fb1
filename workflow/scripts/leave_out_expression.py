from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.dataset.frames import read_frames
from splatrig.evaluation.table import write_table

frames = read_frames(snakemake.input.frames)
left_out = frames["expression"] == snakemake.params.fold
write_table(snakemake.output.frames, frames.assign(role=frames["role"].mask(left_out, "held_out")))
