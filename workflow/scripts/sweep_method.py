from splatrig.logs import log_to

log_to(snakemake.log[0])

from splatrig.config import ComponentsConfig, from_mapping
from splatrig.evaluation.relearn import Learner, Sweeps
from splatrig.evaluation.rows import read_attribute_rows
from splatrig.evaluation.table import write_table
from splatrig.mesh.template import read_template

params = snakemake.params
data = read_attribute_rows(snakemake.input.attributes, ["xyz"])
level = read_template(snakemake.input.template).levels[params.level]
learner = Learner(from_mapping(ComponentsConfig, params.components), level, params.seed)
sweeps = Sweeps(learner, params.method, params.level, data)
sweeps.against_k(params.ks)
if params.method.startswith("sldc_"):
    sweeps.against_lambda(params.lambdas, max(params.ks))
sweeps.leave_one_expression_out(params.left_out_ks)
write_table(snakemake.output.table, sweeps.frame())
write_table(snakemake.output.runtimes, sweeps.runtimes())
