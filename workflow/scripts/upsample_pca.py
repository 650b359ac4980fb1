from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.components.assemble import assemble, data_matrix, named
from splatrig.components.attributes import AttributeReader
from splatrig.components.component_file import read_components, write_components
from splatrig.components.matrix import standardize
from splatrig.components.upsampling import upsample
from splatrig.mesh.template import read_template

params = snakemake.params
coarse = read_components(snakemake.input.components)
template = read_template(snakemake.input.template)
operator = template.between(params.level, params.finest)
with AttributeReader(snakemake.input.attributes) as reader:
    matrix = reader.train_matrix(coarse.columns.names)
    standardization = standardize(matrix, params.rest, snakemake.threads)
    found = upsample(coarse, operator, standardization)
    components = assemble(reader, found, {"upsampled_from": params.level, "k": len(found.C)})
    components = named(components, template, snakemake.input.get("units"))
    write_components(snakemake.output[0], components, data_matrix(params.data_matrix, matrix, standardization))
