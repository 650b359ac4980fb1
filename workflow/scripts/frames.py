# ruff: noqa: E402 (the log is opened before anything else can speak)
from splatrig.logs import log_to

log_to(snakemake.log[0])

from splatrig.capture.frames import merge_frames, write_frames

write_frames(snakemake.output.frames, merge_frames(snakemake.input.tables))
