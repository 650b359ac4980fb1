from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging

from splatrig.components.component_file import write_components
from splatrig.components.sldc import SldcOptions
from splatrig.config.support_maps import SUPPORT_MAPS
from splatrig.evaluation.relearn import Learner
from splatrig.evaluation.shared import mean_level, pooled, read_subjects, shared_components
from splatrig.mesh.template import read_template

inputs, params = snakemake.input, snakemake.params
rows = read_subjects(dict(zip(params.subjects, inputs.attributes, strict=True)))
pool = pooled(rows)
level = mean_level(read_template(inputs.template).levels[params.level], pool)
learner = Learner(
    "neutral",
    level,
    params.seed,
    sldc=SldcOptions(**params.sldc) if params.sldc else None,
    support=SUPPORT_MAPS[params.support](**params.support_map) if params.sldc else None,
)
components = shared_components(learner, params.method, params.level, pool, params.k)
logging.info("%d components of %d frames of %d subjects", len(components), len(components.frames), len(rows))
write_components(snakemake.output.components, components)
