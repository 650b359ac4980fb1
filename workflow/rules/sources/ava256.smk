# A subject of Ava-256: downloaded where capture.entity names one, else in the folder that you have. Archives are read as they
# are; what arrives is checked by length and, member by member, when it is read.

RAW = {
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
RAW_EXTRAS = ["frame_list.txt", *(["tex_mean.png"] if FETCHED else those_there("tex_mean.png")), *those_there("plates")]
NOTICE = "Learned from Ava-256 (Meta), CC BY-NC 4.0: not for commercial use."
CAMERA_ARCHIVES = ["image", *(["segmentation_parts"] if CFG.capture.background == "masks" else [])]
SUBJECT_URL = f"{CFG.capture.url.rstrip('/')}/{CFG.capture.entity}/decoder"
PARALLEL = CFG.capture.download.parallel

if FETCHED:

    localrules:
        list_ava256,
        ava256_plan,

    rule ava256_download:
        input:
            raw("images"),
        message:
            f"Subject {CFG.capture.entity} is complete"

    rule list_ava256:
        output:
            krt=capture_path("camera_calibration.json"),
            frame_list=capture_path("frame_list.csv"),
        conda:
            "../../../envs/capture.yaml"
        params:
            lib="",
            url=SUBJECT_URL,
        message:
            f"List the cameras and segments of subject {CFG.capture.entity} (license CC BY-NC 4.0)"
        script:
            "../../scripts/list_ava256.py"

    rule ava256_plan:
        input:
            krt=ancient(capture_path("camera_calibration.json")),
            frame_list=ancient(capture_path("frame_list.csv")),
        # no output and no benchmark: it tells the state of this moment, every time it is asked
        conda:
            "../../../envs/capture.yaml"
        params:
            lib="",
            url=SUBJECT_URL,
            entity=CFG.capture.entity,
            kinds=CAMERA_ARCHIVES,
            cameras=CFG.capture.cameras,
        message:
            "Count the archives and bytes that subject {params.entity} would bring"
        script:
            "../../scripts/ava256_plan.py"

    rule download_ava256:
        input:
            krt=ancient(capture_path("camera_calibration.json")),
        output:
            [directory(capture_path(kind)) for kind in CAMERA_ARCHIVES],
            raw("tracked_mesh"),
            raw("tex_mean.png"),
        conda:
            "../../../envs/capture.yaml"
        resources:
            mem_mb=memory(500),
            runtime=1440,
            downloads=PARALLEL,
        params:
            lib="",
            url=SUBJECT_URL,
            kinds=CAMERA_ARCHIVES,
            cameras=CFG.capture.cameras,
        message:
            f"Fetch subject {CFG.capture.entity} (license CC BY-NC 4.0)"
        script:
            "../../scripts/download_ava256.py"
