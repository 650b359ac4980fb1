from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging

from splatrig.dataset.frames import check_enough, merge_frames, write_frames

rows = merge_frames(snakemake.input.tables, snakemake.params.held_out)
check_enough(rows, snakemake.params.components)
write_frames(snakemake.output.frames, rows)
logging.info(
    "%d frames of %d expressions, held out: %s",
    len(rows),
    len(snakemake.input.tables),
    ", ".join(snakemake.params.held_out) or "none",
)
