from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.jobs.cache import reuse

entry = reuse(snakemake, __file__)

from splatrig.capture.demo.synthesize import write_segment
from splatrig.config.models import Demo

write_segment(
    snakemake.input.head,
    snakemake.input.rig,
    snakemake.wildcards.expression,
    snakemake.params.peak,
    Demo(**snakemake.params.demo),
    snakemake.params.seed,
    dict(snakemake.output.items()),
)
entry.keep()
