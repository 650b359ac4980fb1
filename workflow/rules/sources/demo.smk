# The demo capture: a CC0 head, ray-traced into the raw layout of a Multiface entity.

from splatrig.capture.demo.expressions import load_expressions, peak_weights
from splatrig.capture.demo.ray_tracer import check_ray_tracer

try:
    if not workflow.deployment_settings.deployment_method:  # else the jobs' environment has it
        check_ray_tracer()
    # of every segment that there is, so that using one more of them changes no file
    DEMO_PEAKS = load_expressions(ROOT / "resources" / "expressions" / "demo.yaml")
    DEMO_USED = {segment: dict(peak_weights(DEMO_PEAKS, segment)) for segment in [*EXPRESSIONS, *CFG.control.segments]}
except InputError as error:
    sys.exit(f"error: {error}")

CAPTURE = RawCapture(SUBJECT, extras=["frame_list.txt", "tex_mean.png", "labels"])
environment("capture")


rule set_up_demo:
    """Set up the demo's cameras, stage, skin and tracked mesh."""
    input:
        head=MAKEHUMAN,
    output:
        krt=capture_path("KRT"),
        tex_mean=capture_path("tex_mean.png"),
        rig=capture_path("demo_rig.npz"),
    params:
        **configured("demo", "seed", "mesh.tracked_vertices"),
    script:
        "../../scripts/set_up_demo.py"


rule list_demo_frames:
    """List the demo's frames and their true weights."""
    output:
        frame_list=capture_path("frame_list.txt"),
        truth=capture_path("truth.csv"),
    params:
        **configured("demo.frames"),
        expressions={segment: dict(peak) for segment, peak in DEMO_PEAKS.items()},
        segments=list(DEMO_PEAKS),
    script:
        "../../scripts/list_demo_frames.py"


rule photograph_demo:
    """Photograph {wildcards.expression}."""
    input:
        head=MAKEHUMAN,
        rig=rules.set_up_demo.output.rig,
    output:
        images=directory(capture_path("images/{expression}")),
        masks=directory(capture_path("masks/{expression}")),
        labels=directory(capture_path("labels/{expression}")),
        tracked_mesh=directory(capture_path("tracked_mesh/{expression}")),
    params:
        **configured("demo", "seed"),
        peak=lambda wildcards: DEMO_USED[wildcards.expression],
    script:
        "../../scripts/photograph_demo.py"
