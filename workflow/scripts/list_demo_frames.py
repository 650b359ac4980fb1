from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging

import pandas as pd

from splatrig.capture.demo.expressions import frame_list_text, truth_rows
from splatrig.io.files import atomic_path

segments, frames = snakemake.params.segments, snakemake.params.frames
with atomic_path(snakemake.output.frame_list) as temporary:
    temporary.write_text(frame_list_text(segments, frames), encoding="ascii")
rows = truth_rows(snakemake.params.expressions, segments, frames)
with atomic_path(snakemake.output.truth) as temporary:
    pd.DataFrame(rows, columns=["expression", "frame", "unit", "weight"]).to_csv(temporary, index=False)
logging.info("%d segments of %d frames; %d true weights", len(segments), frames, len(rows))
