# A head of Goliath in the folder that you have; its archives are read as they are.

STANDS_FOR = {
    "KRT": ["camera_calibration.json"],
    "images": ["image"],
    "tracked_mesh": [
        "kinematic_tracking/registration_vertices.zip",
        "kinematic_tracking/template_mesh.obj",
        "head_pose/head_pose.zip",
        "lights/light_pattern_per_frame.json",
    ],
    "masks": ["segmentation_parts"],
    "frame_list.txt": ["frame_segments_list.csv"],
    "tex_mean.png": ["uv_image/color_mean.png"],
}
CAPTURE = RawCapture(
    SUBJECT,
    extras=["frame_list.txt"],
    optional=["tex_mean.png", "plates"],
    stands_for=STANDS_FOR,
    notice="Learned from Goliath (Meta), CC BY-NC 4.0: not for commercial use.",
)
