from splatrig.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

import numba

from splatrig.animation.render import pick_device
from splatrig.capture.cameras import read_cameras
from splatrig.components.file import read_components
from splatrig.evaluation.image_space import score_method
from splatrig.evaluation.rows import read_attribute_rows
from splatrig.evaluation.table import write_table
from splatrig.gaussians.store import read_fitted_frames
from splatrig.mesh.template import read_template
from splatrig.training.dataset import FrameSource

numba.set_num_threads(snakemake.threads)
params = snakemake.params
components = read_components(snakemake.input.components)
data = read_attribute_rows(snakemake.input.attributes, [name for name, _, _ in components.dim_info])
cameras = read_cameras(snakemake.input.cameras)
held_out = cameras.select(cameras.held_out) if cameras.held_out.any() else cameras
source = FrameSource(Path(params.dataset), held_out, read_template(snakemake.input.template))
neutral = read_fitted_frames(snakemake.input.neutral).gaussians[0]
table = score_method(components, neutral, data, source, params.ks, pick_device(params.device))
table.insert(0, "method", params.method)
table.insert(1, "level", params.level)
write_table(snakemake.output.table, table)
