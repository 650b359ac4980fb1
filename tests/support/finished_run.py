"""What the served page asks a finished run for: the planted head of `web_page`, its page, frames and photographs."""

from pathlib import Path

import numpy as np
import pandas as pd

from splatrig.capture.photographs import write_photograph
from splatrig.components.component_file import write_components
from splatrig.config.choices import Role
from splatrig.dataset.cameras import write_cameras
from splatrig.dataset.frames import FrameRow, write_frames
from splatrig.dataset.pose import write_pose
from splatrig.gaussians.store import FittedFrames, write_fitted_frames
from splatrig.mesh.template import write_template
from support.web_page import CAMERAS, HEAD, write_page

NEUTRAL, MOVED, HELD_OUT = "E000/000000", "E001/000004", "E009/000090"
MOVED_MM = np.array([3.0, 0.0, 0.0])
"""How far the head is moved in all frames but the neutral."""
GRAY = {NEUTRAL: 128, MOVED: 200, HELD_OUT: 90}
"""Of all photographs of a frame; the left half of each is beyond the matte."""


def write_run(folder: Path) -> Path:
    """Write `results/{subject}` of the planted head; return it."""
    write_page(HEAD, folder / "control" / "head.html")
    write_cameras(folder / "dataset" / "cameras.json", CAMERAS)
    write_template(folder / "template" / "template.h5", HEAD.template)
    metrics = pd.DataFrame(columns=["frame", "camera", "split", "region", "psnr", "ssim", "lpips"])
    neutral = FittedFrames("E000", ("000000",), (HEAD.rig.neutral,), metrics, {})
    write_fitted_frames(folder / "gaussians" / "neutral.h5", neutral)
    for name, family in HEAD.families.items():
        write_components(folder / "components" / "base" / f"{name}.h5", family.rig.components)
    rows = []
    for name, gray in GRAY.items():
        expression, frame = name.split("/")
        role: Role = "held_out" if name == HELD_OUT else "train"
        rows.append(FrameRow(expression, frame, len(CAMERAS), "", "", name == NEUTRAL, role))
        place = folder / "dataset" / expression / frame
        place.mkdir(parents=True)
        pose = np.eye(4)[:3]
        pose[:, 3] = 0.0 if name == NEUTRAL else MOVED_MM
        write_pose(place / f"{frame}_transform.txt", pose)
        matte = np.zeros((CAMERAS.height, CAMERAS.width), np.uint8)
        matte[:, CAMERAS.width // 2 :] = 255
        for camera in CAMERAS.names:
            write_photograph(place / f"{camera}.png", np.full((*matte.shape, 3), gray, np.uint8), matte)
    write_frames(folder / "frames.csv", rows)
    return folder
