# A folder of yours that has the raw layout.

RAW_EXTRAS = [name for name in ("frame_list.txt", "tex_mean.png", "labels") if Path(capture_path(name)).exists()]
NOTICE = ""
