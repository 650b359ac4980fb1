from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging

from splatrig.evaluation.cohort import by_subject, draw_cohort, over_subjects
from splatrig.evaluation.figures import save
from splatrig.evaluation.table import read_table, write_table

subjects, output = snakemake.params.subjects, snakemake.output
tables = map(read_table, snakemake.input.comparisons)
values = by_subject(dict(zip(subjects, tables, strict=True)))
summary = over_subjects(values)
logging.info("%d figures of %d subjects", len(summary), len(subjects))
write_table(output.values, values)
write_table(output.summary, summary, digits=4)
save(output.figure, draw_cohort(values))
