from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

from splatrig.capture.ava256_download import (
    COMMON,
    camera_archives,
    choose_cameras,
    fetch_archives,
    link_archives,
    link_file,
)
from splatrig.capture.codec_avatars import AVA256, read_calibration
from splatrig.capture.retrieve import read_settings

params, krt = snakemake.params, Path(snakemake.input.krt)
cameras = choose_cameras(list(read_calibration(krt)), params.cameras)
folder = krt.parent / "archives"
settings = read_settings(snakemake.config, snakemake.scriptdir)
paths = [*COMMON, *camera_archives(params.kinds, cameras)]
fetch_archives(params.url, paths, folder, settings, at_once=snakemake.resources.downloads)
for kind in params.kinds:
    link_archives(folder, camera_archives([kind], cameras), krt.parent / kind)
for path in (*COMMON, AVA256.topology):
    link_file(folder, path, krt.parent / path)
