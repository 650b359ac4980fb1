import os

terminal = os.fdopen(os.dup(2), "w", encoding="utf-8")  # the result of this script is text for people

from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

from splatrig.capture.release import plan, read_release
from splatrig.capture.retrieve import describe_plan, read_settings, sizes

params = snakemake.params
archives = plan(read_release(snakemake.input.release), params.segments, params.assets, params.cameras)
lengths = sizes(archives, read_settings(snakemake.config, snakemake.scriptdir))
text = describe_plan(archives, lengths, Path(snakemake.input.release).parent, params.cameras)
title = f"entity {params.entity}, {len(params.segments)} segments"
with terminal:
    terminal.write(f"{title}\n{text}\n")
print(f"{title}\n{text}")  # noqa: T201 — into the log
