from splatrig.logs import log_to

log_to(snakemake.log[0])

import logging

from splatrig.evaluation.table import RUNTIME_COLUMNS, SWEEP_COLUMNS, merge_tables, write_table

sweeps = merge_tables(snakemake.input.tables, SWEEP_COLUMNS)
write_table(snakemake.output.sweeps, sweeps)
logging.info("%d numbers of %d methods", len(sweeps), sweeps["method"].nunique())
write_table(snakemake.output.runtimes, merge_tables(snakemake.input.runtimes, RUNTIME_COLUMNS))
