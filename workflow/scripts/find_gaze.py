from splatrig.jobs.logs import log_to

log_to(snakemake.log[0])

from splatrig.dataset.dataset import Dataset
from splatrig.dataset.frames import names_of, neutral_name, read_frames
from splatrig.landmarks.gaze import write_gaze
from splatrig.landmarks.gaze_picture import draw_gaze
from splatrig.landmarks.measure_gaze import find_gaze, lids_of
from splatrig.landmarks.table import read_landmarks
from splatrig.mesh.obj import read_obj

inputs, output = snakemake.input, snakemake.output
table = read_frames(inputs.frames)
dataset = Dataset.open(inputs.cameras)
frames, rest = dataset.frames(names_of(table)), dataset.frame(neutral_name(table))
mesh = read_obj(rest.folder / f"{rest.frame}.obj")
gaze = find_gaze(
    frames,
    lids_of(read_landmarks(inputs.landmarks, len(mesh.faces))),
    inputs.get("network"),
    neutral=(table["expression"] == rest.expression).to_numpy(),
    learned=(table["role"] == "train").to_numpy(),
)
write_gaze(output.gaze, gaze)
draw_gaze(output.picture, frames, gaze)
