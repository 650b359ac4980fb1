from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

from splatrig.animation.pictures import write_jpeg
from splatrig.animation.portrait import portrait
from splatrig.dataset.cameras import read_cameras
from splatrig.dataset.pose import read_pose
from splatrig.gaussians.store import read_fitted_frames

inputs = snakemake.input
fitted = read_fitted_frames(inputs.neutral)
frame = fitted.frames[0]
pose = read_pose(Path(inputs.dataset) / frame / f"{frame}_transform.txt")
cameras = read_cameras(inputs.cameras).in_head_space(pose)
write_jpeg(snakemake.output.picture, portrait(fitted.gaussians[0], cameras, snakemake.params.image_height))
