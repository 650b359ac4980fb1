from splatrig.logs import log_to

log_to(snakemake.log[0])

from splatrig.evaluation.summary import comparison, key_numbers, write_html, write_latex, write_markdown
from splatrig.evaluation.table import read_table, write_table

fit, methods, sweeps = (read_table(snakemake.input[name]) for name in ("fit", "methods", "sweeps"))
truth = read_table(snakemake.input.truth) if snakemake.input.get("truth") else None
numbers = key_numbers(fit, methods, sweeps, truth)
table = comparison(methods, sweeps, truth)
write_table(snakemake.output.summary, numbers, digits=4)
write_html(snakemake.output.summary_html, f"{snakemake.params.subject}: the numbers that matter", numbers)
write_table(snakemake.output.comparison, table, digits=4)
write_html(snakemake.output.comparison_html, f"{snakemake.params.subject}: methods side by side", table)
write_markdown(snakemake.output.comparison_markdown, table)
write_latex(snakemake.output.comparison_latex, table, f"Methods side by side on subject {snakemake.params.subject}.")
