# VHAP's NeRF-style export, one sequence or a union of sequences, in the folder that you have.

EXPORT = open_capture("nerf", Path(CFG.capture.root))
FOLDERS = [str(folder.absolute()) for folder in EXPORT.folders.values()]
RAW = {
    "KRT": [path.name for path in EXPORT.documents],
    "images": [f"{folder}/images" for folder in FOLDERS],
    "tracked_mesh": [f"{folder}/meshes" for folder in FOLDERS],
    "masks": [f"{folder}/fg_masks" for folder in FOLDERS],
}
RAW_EXTRAS = those_there("tex_mean.png", "plates")
NOTICE = ""
