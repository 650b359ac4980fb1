from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

from splatrig.components.assemble import assemble, data_matrix, named
from splatrig.components.attributes import AttributeReader
from splatrig.components.component_file import write_components
from splatrig.components.local import coarse_start, local_components
from splatrig.config.models import from_mapping
from splatrig.config.sldc import SldcConfig
from splatrig.mesh.template import read_template

params = snakemake.params
config = from_mapping(SldcConfig, params.sldc)
with AttributeReader(snakemake.input.attributes) as reader:
    matrix = reader.train_matrix(params.attributes)
    template = read_template(snakemake.input.template)
    level = template.levels[reader.level]
    found = local_components(
        matrix,
        level,
        config,
        params.support,
        params.rest,
        snakemake.threads,
        device="cuda" if snakemake.resources.get("gpu") else "cpu",
        coarse=coarse_start(template, config.start_level, reader.level),
    )
    components = assemble(reader, found, params.sldc)
    components = named(components, template, snakemake.input.get("units"))
    link = Path(snakemake.input.pca).name if params.data_matrix == "link" else None
    write_components(
        snakemake.output[0], components, data_matrix(params.data_matrix, matrix, found.standardization, link)
    )
