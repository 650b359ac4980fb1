from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.capture.demo.synthesize import write_rig
from splatrig.config.models import DemoConfig, from_mapping

write_rig(
    snakemake.input.head,
    from_mapping(DemoConfig, snakemake.params.demo),
    snakemake.params.seed,
    dict(snakemake.output.items()),
)
