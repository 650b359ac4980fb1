# A folder of yours that has the raw layout.

RAW_EXTRAS = those_there("frame_list.txt", "tex_mean.png", "labels", "plates")
NOTICE = ""
