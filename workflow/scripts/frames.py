from splatrig.logs import log_to

log_to(snakemake.log[0])

import logging

from splatrig.capture.frames import merge_frames, write_frames

rows = merge_frames(snakemake.input.tables)
write_frames(snakemake.output.frames, rows)
logging.info("%d frames of %d expressions", len(rows), len(snakemake.input.tables))
