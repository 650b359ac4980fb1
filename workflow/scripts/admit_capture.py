from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.doctor.stage import admit

admit(snakemake.input.examination, snakemake.params.doctor)
