from splatrig.logs import log_to

log_to(snakemake.log[0])

from splatrig.components.file import read_components
from splatrig.evaluation.method import evaluate_method
from splatrig.evaluation.rows import read_attribute_rows
from splatrig.evaluation.table import write_table

components = read_components(snakemake.input.components)
data = read_attribute_rows(snakemake.input.attributes, [name for name, _, _ in components.dim_info])
params = snakemake.params
write_table(
    snakemake.output.table, evaluate_method(params.method, params.level, components, data, params.ks, params.seed)
)
