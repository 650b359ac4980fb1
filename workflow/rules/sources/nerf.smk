# VHAP's NeRF-style export, one sequence or a union of sequences, in the folder that you have.

from splatrig.capture.formats import open_capture

EXPORT = open_capture("nerf", Path(CFG.capture.root))
FOLDERS = {segment: str(folder.absolute()) for segment, folder in EXPORT.folders.items()}
STANDS_FOR = {
    "KRT": [path.name for path in EXPORT.documents],
    "images": {segment: f"{folder}/images" for segment, folder in FOLDERS.items()},
    "tracked_mesh": [f"{folder}/meshes" for folder in FOLDERS.values()],
    "masks": {segment: f"{folder}/fg_masks" for segment, folder in FOLDERS.items()},
}
CAPTURE = RawCapture(SUBJECT, optional=["tex_mean.png", "plates"], stands_for=STANDS_FOR)
