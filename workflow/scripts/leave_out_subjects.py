from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import numba

from splatrig.components.sldc import SldcOptions
from splatrig.config.support_maps import SUPPORT_MAPS
from splatrig.evaluation.relearn import Learner
from splatrig.evaluation.shared import leave_one_subject_out, mean_level, pooled, read_subjects
from splatrig.evaluation.table import write_table
from splatrig.mesh.template import read_template

numba.set_num_threads(snakemake.threads)
inputs, params = snakemake.input, snakemake.params
rows = read_subjects(dict(zip(params.subjects, inputs.attributes, strict=True)))
learner = Learner(
    "neutral",
    mean_level(read_template(inputs.template).levels[params.level], pooled(rows)),
    params.seed,
    sldc=SldcOptions(**params.sldc) if params.sldc else None,
    support=SUPPORT_MAPS[params.support](**params.support_map) if params.sldc else None,
)
write_table(snakemake.output.table, leave_one_subject_out(learner, params.method, params.level, rows, params.ks))
