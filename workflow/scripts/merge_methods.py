from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging

import numpy as np
import pandas as pd

from splatrig.evaluation.fit import with_regions
from splatrig.evaluation.images import IMAGE_COLUMNS, fitted_pictures, summarize_images
from splatrig.evaluation.left_out import paired_gains, solved_baseline, summarize_folds
from splatrig.evaluation.regions import summarize_regions
from splatrig.evaluation.runtimes import job_seconds
from splatrig.evaluation.table import RUNTIME_COLUMNS, SWEEP_COLUMNS, merge_tables, read_table, write_table

params, inputs, output = snakemake.params, snakemake.input, snakemake.output
images = merge_tables(inputs.images, IMAGE_COLUMNS)
fits = fitted_pictures(with_regions(read_table(inputs.fit), read_table(inputs.fit_regions)), images, params.level)
images = pd.concat([images, fits], ignore_index=True)
generator = np.random.default_rng(params.seed)
tables = [merge_tables(inputs.tables), summarize_images(images[~solved_baseline(images)], generator)]
if inputs.get("folds"):
    tables += [summarize_folds(read_table(inputs.folds), generator), paired_gains(images, generator)]
tables.append(summarize_regions(images[~solved_baseline(images)], generator))  # last: intervals above stay as they are
write_table(output.images, images)
methods = pd.concat(tables, ignore_index=True)
write_table(output.methods, methods)
write_table(output.sweeps, merge_tables(inputs.sweeps, SWEEP_COLUMNS))
learned = merge_tables(inputs.runtimes, RUNTIME_COLUMNS)
timed = job_seconds(params.jobs, inputs.benchmarks)
write_table(output.runtimes, pd.concat([learned, timed], ignore_index=True))
logging.info("%d metrics of %d methods; %d of images", len(methods), methods["method"].nunique(), len(images))
