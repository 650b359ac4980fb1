from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.capture.demo.synthesize import write_rig
from splatrig.config.models import Demo

write_rig(
    snakemake.input.head,
    Demo(**snakemake.params.demo),
    snakemake.params.seed,
    snakemake.params.tracked_vertices,
    dict(snakemake.output.items()),
)
