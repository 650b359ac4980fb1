# A folder of yours that has the raw layout.

OPTIONAL = ["frame_list.txt", "tex_mean.png", "labels", "plates"]
RAW_EXTRAS = [name for name in OPTIONAL if Path(capture_path(name)).exists()]
NOTICE = ""
