# Calibrated photographs without tracked meshes: faces found in them, a template head posed and bent in every frame.
#
# What these rules make below results/{subject}/capture has the raw layout of every other source.

from splatrig.tracking.calibration import calibration_file

GIVEN = Path(CFG.capture.root)
PROVIDED = [name for name in ("labels", "masks", "plates") if (GIVEN / name).is_dir()]
RAW = {"plates": [local(ancient(str((GIVEN / "plates").absolute())))]}
RAW_EXTRAS = [name for name in PROVIDED if name != "masks"]
NOTICE = ""

try:
    CALIBRATION = local(from_here(calibration_file(GIVEN)))
except InputError as error:
    sys.exit(f"error: capture.root: {error}")

TRACKING = {
    "cameras": results("dataset/cameras.json"),
    "canonical": CANONICAL_FACE,
}
"""What every rule reads that looks for the head in photographs."""
TRACKED_PHOTOGRAPHS = {"image_scale": CFG.capture.image_scale, "color": CFG.capture.color}


wildcard_constraints:
    kind="labels|masks",


rule link_photographs:
    input:
        given=lambda wildcards: local(ancient(str(given_photographs(GIVEN, wildcards.expression)))),
    output:
        images=directory(capture_path("images/{expression}")),
    conda:
        "../../../envs/tracking.yaml"
    resources:
        mem_mb=memory(1000),
        runtime=60,
    params:
        frame_numbers_per_second=CFG.capture.frame_numbers_per_second,
    message:
        "Link or decode the photographs of {wildcards.expression}"
    script:
        "../../scripts/link_photographs.py"


rule link_provided:
    input:
        given=lambda wildcards: local(ancient(str(GIVEN / wildcards.kind / wildcards.expression))),
    output:
        folder=directory(capture_path("{kind}/{expression}")),
    conda:
        "../../../envs/tracking.yaml"
    message:
        "Link the {wildcards.kind} of {wildcards.expression}"
    script:
        "../../scripts/link_provided.py"


rule find_faces:
    input:
        **FACE_NETWORKS,
        iris=IRIS_NETWORK,
        calibration=CALIBRATION,
        images=capture_path("images/{expression}"),
        neutral=capture_path(f"images/{CFG.neutral}"),
    output:
        faces=results("tracking/faces/{expression}.npz"),
    conda:
        "../../../envs/tracking.yaml"
    resources:
        mem_mb=memory(2000),
        runtime=120,
    params:
        neutral=CFG.neutral,
        cameras=CFG.capture.cameras,
        held_out=CFG.capture.held_out.cameras,
        color=CFG.capture.color,
    message:
        "Find the face in the photographs of {wildcards.expression}"
    script:
        "../../scripts/find_faces.py"


rule settle_calibration:
    input:
        calibration=CALIBRATION,
        images=capture_path(f"images/{CFG.neutral}"),
        faces=results(f"tracking/faces/{CFG.neutral}.npz"),
        canonical=TRACKING["canonical"],
    output:
        krt=capture_path("KRT"),
    conda:
        "../../../envs/tracking.yaml"
    params:
        neutral=CFG.neutral,
        eye_distance_mm=CFG.capture.eye_distance_mm,
    message:
        "Settle the unit of {input.calibration}"
    script:
        "../../scripts/settle_calibration.py"


rule model_neutral:
    input:
        **TRACKING,
        head=MAKEHUMAN,
        images=capture_path(f"images/{CFG.neutral}"),
        faces=results(f"tracking/faces/{CFG.neutral}.npz"),
    output:
        neutral=results("tracking/neutral.npz"),
    conda:
        "../../../envs/tracking.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=60,
    params:
        **TRACKED_PHOTOGRAPHS,
        vertices=CFG.mesh.tracked_vertices,
    message:
        "Bend the template to the neutral"
    script:
        "../../scripts/model_neutral.py"


rule track_expression:
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
    conda:
        "../../../envs/tracking.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=240,
    params:
        **TRACKED_PHOTOGRAPHS,
    message:
        "Track the head in {wildcards.expression}"
    script:
        "../../scripts/track_expression.py"


rule summarize_tracking:
    input:
        cameras=TRACKING["cameras"],
        images=expand(capture_path("images/{expression}"), expression=EXPRESSIONS),
        meshes=expand(capture_path("tracked_mesh/{expression}"), expression=EXPRESSIONS),
        weights=expand(results("tracking/weights/{expression}.csv"), expression=EXPRESSIONS),
        frames=expand(results("tracking/frames/{expression}.csv"), expression=EXPRESSIONS),
    output:
        frames=results("tracking/frames.csv"),
        weights=results("tracking/weights.csv"),
        picture=reported("tracking/tracking.png", "tracking", "6 Capture", picture="tracking"),
    conda:
        "../../../envs/tracking.yaml"
    resources:
        mem_mb=memory(2000),
        runtime=20,
    params:
        **TRACKED_PHOTOGRAPHS,
    message:
        "Summarize the tracking of all expressions"
    script:
        "../../scripts/summarize_tracking.py"
