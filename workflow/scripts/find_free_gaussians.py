from splatrig.jobs.logs import log_to

if __name__ == "__main__":  # processes that find them together import this file, too
    log_to(snakemake.log[0])

from splatrig.learned.job import LearnedJob, find

if __name__ == "__main__":
    inputs = {name: paths if isinstance(paths, str) else list(paths) for name, paths in snakemake.input.items()}
    find(LearnedJob(inputs, dict(snakemake.params.items()), snakemake.output.free, snakemake.threads))
