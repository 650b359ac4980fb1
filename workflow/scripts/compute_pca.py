from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import numpy as np

from splatrig.components.assemble import assemble, data_matrix, named
from splatrig.components.attributes import AttributeReader
from splatrig.components.component_file import write_components
from splatrig.components.pca import principal_components
from splatrig.mesh.template import read_template

params = snakemake.params
with AttributeReader(snakemake.input.attributes) as reader:
    matrix = reader.train_matrix(params.attributes)
    weights = reader.face_mask.astype(np.float32) if params.weights == "face" else None
    found = principal_components(matrix, params.k, params.rest, weights, snakemake.threads)
    components = assemble(reader, found, {"k": params.k, "weights": params.weights})
    components = named(components, read_template(snakemake.input.template), snakemake.input.get("units"))
    write_components(snakemake.output[0], components, data_matrix(params.data_matrix, matrix, found.standardization))
