from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.dataset.frames import names_of, neutral_name, read_frames
from splatrig.doctor.stage import report

inputs, output, params = snakemake.input, snakemake.output, snakemake.params
table = read_frames(inputs.frames)
report(
    inputs.cameras,
    names_of(table),
    neutral_name(table),
    inputs.check,
    params.background,
    page=output.page,
    verdicts=output.verdicts,
    title=f"{params.subject}: what the doctor of captures says",
    threads=snakemake.threads,
)
