from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.learned.job import LearnedJob, find

inputs = {name: paths if isinstance(paths, str) else list(paths) for name, paths in snakemake.input.items()}
find(LearnedJob(inputs, dict(snakemake.params.items()), snakemake.output.free, snakemake.threads))
