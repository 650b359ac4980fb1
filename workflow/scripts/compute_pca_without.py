from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import numpy as np

from splatrig.components.assemble import assemble
from splatrig.components.attributes import AttributeReader
from splatrig.components.component_file import write_components
from splatrig.components.pca import principal_components

params = snakemake.params
with AttributeReader(snakemake.input.attributes) as reader:
    reader.leave_out(params.fold)
    weights = reader.face_mask.astype(np.float32) if params.weights == "face" else None
    matrix = reader.train_matrix(params.attributes)
    found = principal_components(matrix, params.k, params.rest, weights, snakemake.threads)
    components = assemble(reader, found, {"k": params.k, "weights": params.weights})
    write_components(snakemake.output.components, components)
