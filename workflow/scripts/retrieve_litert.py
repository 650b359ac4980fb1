from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.control.web.retrieve import RUNTIME, retrieve_packages

retrieve_packages(snakemake.input.lock, RUNTIME, snakemake.output.archive)
