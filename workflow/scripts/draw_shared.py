from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.evaluation.figures import save
from splatrig.evaluation.shared import SHARED_COLUMNS, draw_shared
from splatrig.evaluation.table import merge_tables, write_table

table = merge_tables(snakemake.input.tables, SHARED_COLUMNS)
write_table(snakemake.output.table, table)
save(snakemake.output.figure, draw_shared(table))
