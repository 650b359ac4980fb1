# Landmarks of the neutral's face, the check of the capture by them, which precedes fits, and the gaze in all frames.

OWN_LANDMARKS = CFG.capture.landmarks
NEUTRAL_FRAME = files("cameras") | {
    "frames": results(f"frames/{CFG.neutral}.csv"),
    "dataset": results(f"dataset/{CFG.neutral}"),
    "canonical": CANONICAL_FACE,
}
LANDMARKS_PICTURE = reported("landmarks/landmarks.png", "landmarks", "6 Capture", picture="landmarks")

if OWN_LANDMARKS is not None and not Path(OWN_LANDMARKS).is_file():
    sys.exit(
        f"error: capture.landmarks: there is no file {OWN_LANDMARKS}; name a table of landmarks "
        "(docs/captures.md), or null to find them in the photographs."
    )

environment("capture")


rule check_capture:
    """Check that photographs, calibration, tracked mesh and axes fit each other."""
    input:
        **NEUTRAL_FRAME,
        detections=results("landmarks/detections.csv") if OWN_LANDMARKS is None else [],
        own=local(OWN_LANDMARKS) if OWN_LANDMARKS else [],
    output:
        check=results("landmarks/check.json"),
    params:
        **configured("neutral", "capture.image_scale"),
        krt=CAPTURE.calibration,
    script:
        "../scripts/check_capture.py"


environment("landmarks")

if OWN_LANDMARKS is None:

    rule find_landmarks:
        """Find the landmarks of the neutral's face in the photographs."""
        input:
            **NEUTRAL_FRAME,
            **FACE_NETWORKS,
        output:
            landmarks=results("landmarks/landmarks.csv"),
            detections=results("landmarks/detections.csv"),
            picture=LANDMARKS_PICTURE,
        params:
            **configured("neutral"),
        script:
            "../scripts/find_landmarks.py"

else:

    rule use_landmarks:
        """Attach {input.own} to the tracked mesh."""
        input:
            **NEUTRAL_FRAME,
            own=local(OWN_LANDMARKS),
        output:
            landmarks=results("landmarks/landmarks.csv"),
            picture=LANDMARKS_PICTURE,
        conda:
            "../../envs/capture.yaml"
        params:
            **configured("neutral"),
        script:
            "../scripts/use_landmarks.py"


rule find_gaze:
    """Find the gaze in all frames."""
    input:
        **({"network": IRIS_NETWORK} if OWN_LANDMARKS is None else {}),
        **files("frames", "cameras", "landmarks"),
        datasets=each("dataset/{expression}"),
    output:
        gaze=results("landmarks/gaze.csv"),
        picture=reported("landmarks/gaze.png", "gaze", "6 Capture", picture="gaze"),
    script:
        "../scripts/find_gaze.py"
