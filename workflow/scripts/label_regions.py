from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

import numpy as np

from splatrig.animation.pictures import write_png
from splatrig.animation.region_picture import picture_regions
from splatrig.capture.layout import CaptureLayout
from splatrig.capture.regions import labels_of, no_labels, write_regions
from splatrig.dataset.cameras import read_cameras
from splatrig.dataset.dataset import Dataset
from splatrig.dataset.frames import names_of, read_frames
from splatrig.dataset.regions import REGIONS, RegionFolder
from splatrig.io.files import atomic_directory
from splatrig.landmarks.rims import find_rims
from splatrig.landmarks.table import read_landmarks
from splatrig.mesh.template import read_template

inputs, output = snakemake.input, snakemake.output
template, frames = read_template(inputs.template), names_of(read_frames(inputs.frames))
cameras = read_cameras(inputs.cameras).measuring
dataset = Dataset(Path(snakemake.params.dataset), cameras)
rims = find_rims(
    template.base.vertices, template.base.faces, read_landmarks(inputs.landmarks, len(template.base.faces))
)
labels = no_labels
if inputs.labels:
    labels = labels_of(CaptureLayout(Path(inputs.labels[0]).parent.parent), cameras)
with atomic_directory(output.regions) as folder:
    regions = RegionFolder(folder)
    counts = write_regions(
        regions, dataset, frames, template, rims, labels, labeled=bool(inputs.labels), threads=snakemake.threads
    )
    most = frames[int(np.argmax(counts[:, REGIONS.index("mouth")]))]
    write_png(output.picture, picture_regions(dataset.frame(most), regions))
