import os

terminal = os.fdopen(os.dup(2), "w", encoding="utf-8")  # as in multiface_plan, the result is text for people

from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

from splatrig.capture.ava256_download import COMMON, camera_archives, choose_cameras, describe_plan
from splatrig.capture.codec_avatars import read_calibration, read_frame_table
from splatrig.capture.retrieve import read_settings

inputs, params = snakemake.input, snakemake.params
cameras = choose_cameras(list(read_calibration(Path(inputs.krt))), params.cameras)
segments = read_frame_table(Path(inputs.frame_list))
settings = read_settings(snakemake.config, snakemake.scriptdir)
paths = [*COMMON, *camera_archives(params.kinds, cameras)]
text = "\n".join(
    [
        f"subject {params.entity}, {len(cameras)} cameras, {len(segments)} segments:",
        ", ".join(f"{name} ({len(frames)})" for name, frames in sorted(segments.items())),
        describe_plan(params.url, paths, Path(inputs.krt).parent / "archives", settings),
    ]
)
with terminal:
    terminal.write(f"{text}\n")
print(text)  # noqa: T201 — into the log
