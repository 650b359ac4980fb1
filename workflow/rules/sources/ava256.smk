# A subject of Ava-256: downloaded where capture.entity names one, else in the folder that you have. Archives are
# read as they are; what arrives is checked by length and, member by member, when it is read.

STANDS_FOR = {
    "KRT": ["camera_calibration.json"],
    "images": ["image"],
    "tracked_mesh": [
        "kinematic_tracking/registration_vertices.zip",
        "head_pose/head_pose.zip",
        "face_topology.obj",
    ],
    "masks": ["segmentation_parts"],
    "frame_list.txt": ["frame_list.csv"],
    "tex_mean.png": ["uv_image/color_mean.png"],
}
FETCHED = CFG.capture.entity is not None
CAPTURE = RawCapture(
    SUBJECT,
    extras=["frame_list.txt", *(["tex_mean.png"] if FETCHED else [])],
    optional=["tex_mean.png", "plates"],
    stands_for=STANDS_FOR,
    notice="Learned from Ava-256 (Meta), CC BY-NC 4.0: not for commercial use.",
)
CAMERA_ARCHIVES = ["image", *(["segmentation_parts"] if CFG.capture.background == "masks" else [])]
SUBJECT_URL = f"{CFG.capture.url.rstrip('/')}/{CFG.capture.entity}/decoder"
PARALLEL = CFG.capture.download.parallel

environment("capture")

if FETCHED:

    rule ava256_download:
        """Download the subject."""
        input:
            CAPTURE.file("images"),

    rule list_ava256:
        """List the cameras and segments at {params.url} (license CC BY-NC 4.0)."""
        output:
            krt=capture_path("camera_calibration.json"),
            frame_list=capture_path("frame_list.csv"),
        localrule: True
        params:
            lib="",
            url=SUBJECT_URL,
        script:
            "../../scripts/list_ava256.py"

    rule ava256_plan:
        """Count the archives and bytes that subject {params.entity} would bring.

        It has no output, for it tells the state of this moment, every time it is asked.
        """
        input:
            krt=ancient(capture_path("camera_calibration.json")),
            frame_list=ancient(capture_path("frame_list.csv")),
        localrule: True
        params:
            **configured("capture.entity", "capture.cameras"),
            lib="",
            url=SUBJECT_URL,
            kinds=CAMERA_ARCHIVES,
        script:
            "../../scripts/ava256_plan.py"

    rule download_ava256:
        """Fetch the archives at {params.url} (license CC BY-NC 4.0)."""
        input:
            krt=ancient(capture_path("camera_calibration.json")),
        output:
            [directory(capture_path(kind)) for kind in CAMERA_ARCHIVES],
            CAPTURE.file("tracked_mesh"),
            CAPTURE.file("tex_mean.png"),
        resources:
            downloads=PARALLEL,
        params:
            **configured("capture.cameras"),
            lib="",
            url=SUBJECT_URL,
            kinds=CAMERA_ARCHIVES,
        script:
            "../../scripts/download_ava256.py"
