# A folder of yours that has the raw layout.

CAPTURE = RawCapture(SUBJECT, optional=["frame_list.txt", "tex_mean.png", "labels", "plates"])
