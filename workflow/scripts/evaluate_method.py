from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging

import numba

from splatrig.components.component_file import read_components
from splatrig.evaluation.attribute_rows import read_attribute_rows
from splatrig.evaluation.method import MethodEvaluation
from splatrig.evaluation.scene import open_scene
from splatrig.evaluation.table import write_table
from splatrig.evaluation.truth import driving_weights
from splatrig.io.files import first_path
from splatrig.jobs.device import choose_device
from splatrig.mesh.template import read_template

numba.set_num_threads(snakemake.threads)
params, inputs = snakemake.params, snakemake.input
device = choose_device(params.device, snakemake.threads)
components, template = read_components(inputs.components), read_template(inputs.template)
data = read_attribute_rows(inputs.attributes, components.columns.names)
evaluation = MethodEvaluation(params.method, params.level, components, data, params.ks, params.seed)
numbers = evaluation.table(len(template.levels[params.level].vertices))
write_table(snakemake.output.table, numbers)
scene = open_scene(
    neutral=inputs.neutral,
    cameras=inputs.cameras,
    regions=inputs.regions,
    dataset=params.dataset,
    template=template,
    device=device,
    motions=components.head_motion_of,
)
known = first_path(inputs.truth)
pictures = evaluation.pictures(scene, None if known is None else driving_weights(components, known))
logging.info("%s: %d metrics, %d of images", params.method, len(numbers), len(pictures))
write_table(snakemake.output.images, pictures)
