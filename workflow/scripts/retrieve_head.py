from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.capture.demo.retrieve import retrieve_head

retrieve_head(snakemake.output.head, snakemake.output.license)
