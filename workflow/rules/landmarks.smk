# Landmarks of the neutral's face, the check of the capture by them, which precedes all fits, and the gaze in all frames.

NEUTRAL_FRAME = {
    "cameras": results("dataset/cameras.json"),
    "frames": results(f"frames/{CFG.neutral}.csv"),
    "dataset": results(f"dataset/{CFG.neutral}"),
    "canonical": CANONICAL_FACE,
}
LANDMARKS_PICTURE = reported("landmarks/landmarks.png", "landmarks", "6 Capture", picture="landmarks")

if CFG.capture.landmarks is not None and not Path(CFG.capture.landmarks).is_file():
    sys.exit(
        f"error: capture.landmarks: there is no file {CFG.capture.landmarks}; name a table of landmarks "
        "(docs/captures.md), or null to find them in the photographs."
    )


rule retrieve_face_networks:
    output:
        **FACE_NETWORKS,
        iris=IRIS_NETWORK,
        license="resources/retrieved/mediapipe_LICENSE.txt",
    conda:
        "../../envs/capture.yaml"
    message:
        "Retrieving the networks that detect faces and eyes"
    script:
        "../scripts/retrieve_face_networks.py"


if CFG.capture.landmarks is None:

    rule find_landmarks:
        input:
            **NEUTRAL_FRAME,
            **FACE_NETWORKS,
        output:
            landmarks=results("landmarks/landmarks.csv"),
            detections=results("landmarks/detections.csv"),
            picture=LANDMARKS_PICTURE,
        conda:
            "../../envs/landmarks.yaml"
        resources:
            mem_mb=memory(2000),
            runtime=20,
        params:
            neutral=CFG.neutral,
        message:
            "Finding the landmarks of the neutral's face in the photographs"
        script:
            "../scripts/find_landmarks.py"

else:

    rule use_landmarks:
        input:
            **NEUTRAL_FRAME,
            own=local(CFG.capture.landmarks),
        output:
            landmarks=results("landmarks/landmarks.csv"),
            picture=LANDMARKS_PICTURE,
        conda:
            "../../envs/capture.yaml"
        resources:
            mem_mb=memory(2000),
            runtime=20,
        params:
            neutral=CFG.neutral,
        message:
            "Attaching {input.own} to the tracked mesh"
        script:
            "../scripts/use_landmarks.py"


rule check_capture:
    input:
        **NEUTRAL_FRAME,
        detections=results("landmarks/detections.csv") if CFG.capture.landmarks is None else [],
        own=local(CFG.capture.landmarks) if CFG.capture.landmarks else [],
    output:
        check=results("landmarks/check.json"),
    conda:
        "../../envs/capture.yaml"
    resources:
        mem_mb=memory(2000),
        runtime=20,
    params:
        neutral=CFG.neutral,
        krt=str(first_path(raw("KRT"))),
        image_scale=CFG.capture.image_scale,
    message:
        "Checking that photographs, calibration, tracked mesh and axes fit each other"
    script:
        "../scripts/check_capture.py"


rule find_gaze:
    input:
        **({"network": IRIS_NETWORK} if CFG.capture.landmarks is None else {}),
        frames=results("frames.csv"),
        cameras=results("dataset/cameras.json"),
        datasets=expand(results("dataset/{expression}"), expression=EXPRESSIONS),
        landmarks=results("landmarks/landmarks.csv"),
    output:
        gaze=results("landmarks/gaze.csv"),
        picture=reported("landmarks/gaze.png", "gaze", "6 Capture", picture="gaze"),
    conda:
        "../../envs/landmarks.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=60,
    message:
        "Finding the gaze in all frames"
    script:
        "../scripts/find_gaze.py"
