from splatrig.logs import log_to

log_to(snakemake.log[0])

import pandas as pd

from splatrig.evaluation.table import write_table

frames = pd.read_csv(snakemake.input.frames, dtype={"frame": str})
left_out = frames["expression"] == snakemake.params.fold
write_table(snakemake.output.frames, frames.assign(role=frames["role"].mask(left_out, "held_out")))
