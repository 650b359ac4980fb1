# Calibrated photographs without tracked meshes: faces found in them, a template head posed and bent in every frame.
#
# What these rules make below results/{subject}/capture has the raw layout of every other source.

from splatrig.capture.sources import given_photographs
from splatrig.tracking.calibration import calibration_file

GIVEN = Path(CFG.capture.root)
CAPTURE = RawCapture(
    SUBJECT,
    extras=[name for name in ("labels", "plates") if (GIVEN / name).is_dir()],
    stands_for={"plates": [local(ancient(str((GIVEN / "plates").absolute())))]},
)

try:
    CALIBRATION = local(from_here(calibration_file(GIVEN)))
except InputError as error:
    sys.exit(f"error: capture.root: {error}")

TRACKING = files("cameras") | {"canonical": CANONICAL_FACE}
"""What every rule reads that looks for the head in photographs."""
NEUTRAL_FACES = {
    "images": capture_path(f"images/{CFG.neutral}"),
    "faces": results(f"tracking/faces/{CFG.neutral}.npz"),
}

environment("tracking")


rule link_photographs:
    """Link or decode the photographs of {wildcards.expression}."""
    input:
        given=lambda wildcards: local(ancient(str(given_photographs(GIVEN, wildcards.expression)))),
    output:
        images=directory(capture_path("images/{expression}")),
    params:
        **configured("capture.frame_numbers_per_second"),
    script:
        "../../scripts/link_photographs.py"


rule link_provided:
    """Link the {wildcards.kind} of {wildcards.expression}."""
    input:
        given=lambda wildcards: local(ancient(str(GIVEN / wildcards.kind / wildcards.expression))),
    output:
        folder=directory(capture_path("{kind}/{expression}")),
    script:
        "../../scripts/link_provided.py"


rule find_faces:
    """Find the face in the photographs of {wildcards.expression}."""
    input:
        **FACE_NETWORKS,
        iris=IRIS_NETWORK,
        calibration=CALIBRATION,
        images=capture_path("images/{expression}"),
        neutral=capture_path(f"images/{CFG.neutral}"),
    output:
        faces=results("tracking/faces/{expression}.npz"),
    params:
        **configured("neutral", "capture.cameras", "capture.color", held_out="capture.held_out.cameras"),
    script:
        "../../scripts/find_faces.py"


rule settle_calibration:
    """Settle the unit of {input.calibration}."""
    input:
        **NEUTRAL_FACES,
        calibration=CALIBRATION,
        canonical=CANONICAL_FACE,
    output:
        krt=capture_path("KRT"),
    params:
        **configured("neutral", "capture.eye_distance_mm"),
    script:
        "../../scripts/settle_calibration.py"


rule model_neutral:
    """Bend the template to the neutral."""
    input:
        **TRACKING,
        **NEUTRAL_FACES,
        head=MAKEHUMAN,
    output:
        neutral=results("tracking/neutral.npz"),
    params:
        **configured("capture.image_scale", "capture.color", vertices="mesh.tracked_vertices"),
    script:
        "../../scripts/model_neutral.py"


rule track_expression:
    """Track the head in {wildcards.expression}."""
    input:
        **TRACKING,
        neutral=results("tracking/neutral.npz"),
        reference=capture_path(f"images/{CFG.neutral}"),
        images=capture_path("images/{expression}"),
        faces=results("tracking/faces/{expression}.npz"),
    output:
        tracked_mesh=directory(capture_path("tracked_mesh/{expression}")),
        weights=results("tracking/weights/{expression}.csv"),
        frames=results("tracking/frames/{expression}.csv"),
    params:
        **configured("capture.image_scale", "capture.color"),
    script:
        "../../scripts/track_expression.py"


rule summarize_tracking:
    """Summarize the tracking of all expressions."""
    input:
        **files("cameras"),
        images=[capture_path(f"images/{expression}") for expression in EXPRESSIONS],
        meshes=[capture_path(f"tracked_mesh/{expression}") for expression in EXPRESSIONS],
        weights=each("tracking/weights/{expression}.csv"),
        frames=each("tracking/frames/{expression}.csv"),
    output:
        frames=results("tracking/frames.csv"),
        weights=results("tracking/weights.csv"),
        picture=reported("tracking/tracking.png", "tracking", "6 Capture", picture="tracking"),
    params:
        **configured("capture.image_scale", "capture.color"),
    script:
        "../../scripts/summarize_tracking.py"
