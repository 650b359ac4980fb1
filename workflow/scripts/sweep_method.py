from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging

import numba

from splatrig.components.sldc import SldcOptions
from splatrig.config.support_maps import SUPPORT_MAPS
from splatrig.evaluation.attribute_rows import read_attribute_rows
from splatrig.evaluation.relearn import Learner, Sweeps
from splatrig.evaluation.scene import open_scene
from splatrig.evaluation.table import write_table
from splatrig.jobs.device import choose_device
from splatrig.mesh.template import read_template

numba.set_num_threads(snakemake.threads)
params, inputs = snakemake.params, snakemake.input
device = choose_device(params.device, snakemake.threads)
data = read_attribute_rows(inputs.attributes, ["xyz"])
template = read_template(inputs.template)
learner = Learner(
    params.rest,
    template.levels[params.level],
    params.seed,
    sldc=SldcOptions(**params.sldc) if params.sldc else None,
    support=SUPPORT_MAPS[params.support](**params.support_map) if params.sldc else None,
    alpha=params.alpha,
)
sweeps = Sweeps(learner, params.method, params.level, data)
sweeps.against_k(params.ks)
if params.sldc:
    sweeps.against_lambda(params.lambdas, max(params.ks))
scene = open_scene(
    neutral=inputs.neutral,
    cameras=inputs.cameras,
    regions=inputs.regions,
    dataset=params.dataset,
    template=template,
    device=device,
)
sweeps.leave_one_expression_out(params.left_out_ks, scene)
numbers = sweeps.frame()
logging.info("%s: %d metrics", params.method, len(numbers))
write_table(snakemake.output.table, numbers)
write_table(snakemake.output.images, scene.frame(params.method, params.level))
write_table(snakemake.output.runtimes, sweeps.runtimes())
