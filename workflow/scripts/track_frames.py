from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

import logging
from pathlib import Path

from splatrig.components.rig_file import open_rig
from splatrig.control.filters import smoothed
from splatrig.control.fit import frame_times, track_of, weights_of_gaussians, with_learned_gaze
from splatrig.control.panel import read_panel
from splatrig.control.track import write_track
from splatrig.gaussians.store import read_fitted_frames

inputs, params = snakemake.input, snakemake.params
rig, _ = open_rig(inputs.components, inputs.neutral, inputs.template, Path())
panel = read_panel(inputs.panel)
neutral = read_fitted_frames(inputs.neutral).gaussians[0]
for path, store in zip(snakemake.output.tracks, inputs.gaussians, strict=True):
    fitted = read_fitted_frames(store)
    weights = weights_of_gaussians(rig.components, fitted.gaussians, neutral)
    names = [f"{fitted.expression}/{frame}" for frame in fitted.frames]
    weights = with_learned_gaze(rig.components, weights, names)
    times = frame_times(fitted.frames, params.numbers_per_second)
    track = track_of(panel, times, weights, f"fitted frames of {fitted.expression}")
    logging.info("%s: %d frames", fitted.expression, len(times))
    write_track(path, smoothed(track, params.smoothing))
