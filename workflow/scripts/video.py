from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging
from pathlib import Path

import numba

from splatrig.animation.camera_path import path_about
from splatrig.animation.captions import captioned, strongest
from splatrig.animation.family import frontal_order
from splatrig.animation.film import film
from splatrig.animation.film_page import write_film_page
from splatrig.animation.pictures import reduced, write_gif, write_mp4
from splatrig.animation.render import Renderer, lens_blur, picture_cameras
from splatrig.components.rig_file import open_rig
from splatrig.config.models import VideoConfig, from_mapping
from splatrig.control.filters import resampled
from splatrig.control.labels import caption_of
from splatrig.control.panel import read_panel
from splatrig.control.track import read_track
from splatrig.dataset.cameras import read_cameras
from splatrig.dataset.pose import read_pose
from splatrig.jobs.device import choose_device
from splatrig.jobs.progress import track as progress

inputs, params = snakemake.input, snakemake.params
numba.set_num_threads(snakemake.threads)
video = from_mapping(VideoConfig, params.video)
rig, pose_file = open_rig(
    inputs.components, inputs.neutral, inputs.template, Path(inputs.dataset), follow=params.follow_skin
)
panel = read_panel(inputs.panel)
track = resampled(read_track(inputs.track).ordered(panel.names), video.fps)
photographed = read_cameras(inputs.cameras).in_head_space(read_pose(pose_file))
cameras = picture_cameras(photographed, video.height)
cameras = cameras.select(frontal_order(cameras, rig.neutral.means))
logging.info("%d frames of %d x %d, %g a second", len(track), cameras.width, cameras.height, video.fps)
center = rig.neutral.means.mean(axis=0)
path = path_about(cameras, len(track), center, video)
device = choose_device(params.device, snakemake.threads)
renderer = Renderer(device, tuple(video.background), lens_blur(photographed, center, path))
pictures = film(rig, track.weights, path, renderer)
words = [caption_of(name) for name in panel.names]
names = strongest(track.weights, words, panel.low, panel.high) if video.captions else None
every = max(1, round(video.fps / video.gif_fps))
small = []


def frames():
    """Yield the finished frames, keeping small ones for the GIF."""
    for number, picture in enumerate(progress(pictures, "video", total=len(track), unit="frame")):
        finished = captioned(picture, names[number]) if names else picture
        if number % every == 0:
            small.append(reduced(finished, video.gif_height))
        yield finished


write_mp4(snakemake.output.mp4, frames(), frames_per_second=video.fps, threads=snakemake.threads)
write_film_page(snakemake.output.page, snakemake.output.mp4, f"{params.track} of {params.family}")
write_gif(snakemake.output.gif, small, frames_per_second=video.fps / every)
