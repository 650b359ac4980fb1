from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

from splatrig.components.assemble import assemble, data_matrix, named
from splatrig.components.attributes import AttributeReader
from splatrig.components.component_file import write_components
from splatrig.components.local import coarse_start, local_components
from splatrig.components.sldc import SldcOptions
from splatrig.config.support_maps import SUPPORT_MAPS
from splatrig.mesh.template import read_template

params = snakemake.params
support = SUPPORT_MAPS[params.support](**params.support_map)
with AttributeReader(snakemake.input.attributes) as reader:
    matrix = reader.train_matrix(params.attributes)
    template = read_template(snakemake.input.template)
    level = template.levels[reader.level]
    found = local_components(
        matrix,
        level,
        SldcOptions(**params.sldc),
        support,
        params.rest,
        snakemake.threads,
        device="cuda" if snakemake.resources.get("gpu") else "cpu",
        coarse=coarse_start(template, reader.level),
    )
    asked = {name.rstrip("_"): value for name, value in params.sldc.items()}
    components = assemble(reader, found, {**asked, params.support: params.support_map})
    components = named(components, template, snakemake.input.get("units"))
    link = Path(snakemake.input.pca).name if params.data_matrix == "link" else None
    write_components(
        snakemake.output[0], components, data_matrix(params.data_matrix, matrix, found.standardization, link)
    )
