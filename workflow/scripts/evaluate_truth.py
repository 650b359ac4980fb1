from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging

import pandas as pd

from splatrig.components.component_file import read_components
from splatrig.evaluation.table import write_table
from splatrig.evaluation.truth import compare_with_truth

tables = []
for path, method, level in zip(
    snakemake.input.components, snakemake.params.methods, snakemake.params.levels, strict=True
):
    table = compare_with_truth(read_components(path), snakemake.input.truth)
    tables.append(table.assign(method=method, level=level))
    logging.info(
        "%s (%s): mean correlation %.2f, mean R² %.2f", method, level, table["best"].mean(), table["r_squared"].mean()
    )
write_table(snakemake.output.table, pd.concat(tables, ignore_index=True))
