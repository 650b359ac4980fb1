from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.components.assemble import assemble, data_matrix, named
from splatrig.components.attributes import AttributeReader
from splatrig.components.component_file import write_components
from splatrig.components.matrix import StandardisedRows, standardise
from splatrig.components.mbspca import refuse_large, sparse_components
from splatrig.mesh.template import read_template

params = snakemake.params
with AttributeReader(snakemake.input.attributes) as reader:
    matrix = reader.train_matrix(params.attributes)
    refuse_large(*matrix.shape)
    standardisation = standardise(matrix, params.rest, snakemake.threads)
    rows = StandardisedRows(matrix, standardisation).less_rest()
    found = sparse_components(rows, params.mbspca["k"], params.mbspca["alpha"], params.seed)
    components = assemble(reader, "mbspca", found.W, found.C, standardisation, params.mbspca, found.extras)
    components = named(components, read_template(snakemake.input.template), snakemake.input.get("units"))
    write_components(snakemake.output[0], components, data_matrix(params.data_matrix, matrix, standardisation))
