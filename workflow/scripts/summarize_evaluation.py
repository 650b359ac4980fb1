from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging

from splatrig.evaluation.regions import by_region
from splatrig.evaluation.summary import (
    cameras_held_out,
    comparison,
    headline,
    key_numbers,
    remarks,
    side_by_side,
    what_was_measured,
)
from splatrig.evaluation.table import read_table, write_table
from splatrig.evaluation.text_tables import write_html, write_latex, write_markdown

inputs, output, subject = snakemake.input, snakemake.output, snakemake.params.subject
fit, methods, sweeps, runtimes = (read_table(inputs[name]) for name in ("fit", "methods", "sweeps", "runtimes"))
truth = read_table(inputs.truth) if inputs.get("truth") else None
numbers = key_numbers(fit, methods, sweeps, truth)
table = comparison(methods, sweeps, runtimes, truth, unseen=cameras_held_out(fit))
wide, note = side_by_side(table), remarks(fit, table)
write_table(output.summary, numbers, digits=4)
shown = headline(numbers, what_was_measured(read_table(inputs.views), methods))
logging.info("\n%s", shown.to_string(index=False))
write_table(output.headline, shown)
regions = by_region(methods)
write_table(output.regions, regions)
more = {"PSNR by region in images from held-out cameras, pooled over pixels, dB": regions} if len(regions) else {}
write_html(output.summary_html, f"{subject}: key results", numbers, note, more)
write_table(output.comparison, table, digits=4)
write_html(output.comparison_html, f"{subject}: methods side by side", wide, note)
write_markdown(output.comparison_markdown, wide)
write_latex(output.comparison_latex, wide, f"Methods side by side on subject {subject}. {note}")
