from splatrig.logs import log_to

log_to(snakemake.log[0])

import logging
from pathlib import Path

import numba

from splatrig.animation.pictures import write_png
from splatrig.animation.render import pick_device
from splatrig.capture.cameras import read_cameras
from splatrig.evaluation.fit import worst_views
from splatrig.evaluation.image_space import picture_worst
from splatrig.evaluation.table import read_table, write_table
from splatrig.evaluation.worst import camera_table, worst_sheet
from splatrig.mesh.template import read_template
from splatrig.training.dataset import FrameSource

numba.set_num_threads(snakemake.threads)
params = snakemake.params
fit = read_table(snakemake.input.fit)
cameras, template = read_cameras(snakemake.input.cameras), read_template(snakemake.input.template)
chosen = worst_views(fit, params.views)
logging.info("worst views:\n%s", chosen[["expression", "frame", "camera", "psnr"]].to_string(index=False))
stores = dict(zip(params.expressions, snakemake.input.gaussians, strict=True))
source = FrameSource(Path(params.dataset), cameras, template)
rows, titles = picture_worst(chosen, stores, source, params.image_height, pick_device(params.device))
write_png(snakemake.output.picture, worst_sheet(rows, titles))
write_table(snakemake.output.cameras, camera_table(fit))
