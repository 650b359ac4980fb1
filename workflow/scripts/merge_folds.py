from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.evaluation.left_out import FOLD_COLUMNS
from splatrig.evaluation.table import merge_tables, write_table

write_table(snakemake.output.folds, merge_tables(snakemake.input.tables, FOLD_COLUMNS))
