from splatrig.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path  # noqa: E402

import numba  # noqa: E402

from splatrig.animation.pictures import write_png  # noqa: E402
from splatrig.animation.render import pick_device  # noqa: E402
from splatrig.capture.cameras import read_cameras  # noqa: E402
from splatrig.evaluation.fit import worst_views  # noqa: E402
from splatrig.evaluation.image_space import picture_worst  # noqa: E402
from splatrig.evaluation.table import read_table, write_table  # noqa: E402
from splatrig.evaluation.worst import camera_table, worst_sheet  # noqa: E402
from splatrig.mesh.template import read_template  # noqa: E402
from splatrig.training.dataset import FrameSource  # noqa: E402

numba.set_num_threads(snakemake.threads)
params = snakemake.params
fit = read_table(snakemake.input.fit)
cameras, template = read_cameras(snakemake.input.cameras), read_template(snakemake.input.template)
chosen = worst_views(fit, params.views)
stores = dict(zip(params.expressions, snakemake.input.gaussians, strict=True))
source = FrameSource(Path(params.dataset), cameras, template)
rows, titles = picture_worst(chosen, stores, source, params.image_height, pick_device(params.device))
write_png(snakemake.output.picture, worst_sheet(rows, titles))
write_table(snakemake.output.cameras, camera_table(fit))
