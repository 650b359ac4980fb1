from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.components.assemble import assemble, data_matrix, named
from splatrig.components.attributes import AttributeReader
from splatrig.components.component_file import write_components
from splatrig.components.mbspca import sparse_principal_components
from splatrig.mesh.template import read_template

params = snakemake.params
with AttributeReader(snakemake.input.attributes) as reader:
    matrix = reader.train_matrix(params.attributes)
    found = sparse_principal_components(matrix, params.k, params.alpha, params.seed, params.rest, snakemake.threads)
    components = assemble(reader, found, {"k": params.k, "alpha": params.alpha})
    components = named(components, read_template(snakemake.input.template), snakemake.input.get("units"))
    write_components(snakemake.output[0], components, data_matrix(params.data_matrix, matrix, found.standardization))
