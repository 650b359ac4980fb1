from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])


from splatrig.animation.pictures import write_png
from splatrig.components.component_file import read_components
from splatrig.dataset.dataset import Dataset
from splatrig.evaluation.side_by_side import side_by_side
from splatrig.gaussians.store import read_fitted_frames
from splatrig.jobs.device import choose_device
from splatrig.mesh.template import read_template

params, given = snakemake.params, snakemake.input
picture = side_by_side(
    Dataset.open(given.cameras),
    read_template(given.template),
    read_fitted_frames(given.neutral).gaussians[0],
    read_components(given.components),
    params.frames,
    params.image_height,
    choose_device(params.device, snakemake.threads),
)
write_png(snakemake.output.picture, picture)
