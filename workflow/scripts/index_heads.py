from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import os
from pathlib import Path

from splatrig.evaluation.cohort_page import Head, write_cohort_page
from splatrig.evaluation.table import read_table

inputs, params, page = snakemake.input, snakemake.params, snakemake.output.page
here = Path(page).parent
heads = iter(inputs.heads)
shown = []
for name, portrait, summary, made in zip(
    params.subjects, inputs.portraits, inputs.summaries, params.with_head, strict=True
):
    links = ({"open the head": next(heads)} if made else {}) | {"key results": summary}
    relative = {text: os.path.relpath(path, here) for text, path in links.items()}
    shown.append(Head(name, os.path.relpath(portrait, here), relative))
write_cohort_page(page, shown, read_table(inputs.values), os.path.relpath(inputs.figure, here))
