from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging
from pathlib import Path

import numba

from splatrig.animation.pictures import write_png
from splatrig.dataset.cameras import read_cameras
from splatrig.evaluation.fit import worst_views
from splatrig.evaluation.table import read_table, write_table
from splatrig.evaluation.worst import camera_table, picture_worst, worst_sheet
from splatrig.jobs.device import choose_device

numba.set_num_threads(snakemake.threads)
params = snakemake.params
fit = read_table(snakemake.input.fit)
cameras = read_cameras(snakemake.input.cameras)
chosen = worst_views(fit, params.views)
logging.info("worst views:\n%s", chosen[["expression", "frame", "camera", "psnr"]].to_string(index=False))
stores = dict(zip(params.expressions, snakemake.input.gaussians, strict=True))
device = choose_device(params.device, snakemake.threads)
rows, titles = picture_worst(chosen, stores, Path(params.dataset), cameras, params.image_height, device)
write_png(snakemake.output.picture, worst_sheet(rows, titles))
write_table(snakemake.output.cameras, camera_table(fit))
