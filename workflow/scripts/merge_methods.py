from splatrig.logs import log_to

log_to(snakemake.log[0])

import logging

import numpy as np
import pandas as pd

from splatrig.evaluation.images import IMAGE_COLUMNS, summarise_images
from splatrig.evaluation.table import merge_tables, write_table

images = merge_tables(snakemake.input.images, IMAGE_COLUMNS)
summary = summarise_images(images, np.random.default_rng(snakemake.params.seed))
methods = pd.concat([merge_tables(snakemake.input.tables), summary], ignore_index=True)
write_table(snakemake.output.images, images)
write_table(snakemake.output.methods, methods)
logging.info("%d numbers of %d methods; %d of pictures", len(methods), methods["method"].nunique(), len(images))
