# The demo capture: a CC0 head, ray-traced into the raw layout of a Multiface entity.

RAW_EXTRAS = ["frame_list.txt", "tex_mean.png"]
NOTICE = ""
HEAD = "resources/retrieved/makehuman_head.npz"

from splatrig.capture.demo.expressions import load_expressions, peak_weights

try:
    # of every segment that there is, so that using one more of them changes no file
    DEMO_PEAKS = load_expressions(ROOT / "resources" / "expressions" / "demo.yaml")
    DEMO_USED = {segment: dict(peak_weights(DEMO_PEAKS, segment)) for segment in [*EXPRESSIONS, *CFG.control.segments]}
except InputError as error:
    sys.exit(f"error: {error}")


rule retrieve_head:
    output:
        head=HEAD,
        license="resources/retrieved/makehuman_LICENSE.md",
    log:
        "logs/retrieve_head.log",
    benchmark:
        "logs/benchmarks/retrieve_head.tsv"
    conda:
        "../../../envs/capture.yaml"
    resources:
        mem_mb=memory(500),
        runtime=10,
    params:
        lib=lib("retrieve_head.py"),
    message:
        "Retrieve the CC0 MakeHuman head and its ARKit face units"
    script:
        "../../scripts/retrieve_head.py"


rule demo_rig:
    input:
        head=HEAD,
    output:
        krt=capture_path("KRT"),
        tex_mean=capture_path("tex_mean.png"),
        rig=capture_path("demo_rig.npz"),
    log:
        logs("demo_rig.log"),
    benchmark:
        benchmarks("demo_rig.tsv")
    conda:
        "../../../envs/capture.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=10,
    params:
        lib=lib("demo_rig.py"),
        demo=CFG.demo.model_dump(),
        seed=CFG.seed,
    message:
        "Set up the demo's cameras, stage, skin and tracked mesh"
    script:
        "../../scripts/demo_rig.py"


rule demo_frames:
    output:
        frame_list=capture_path("frame_list.txt"),
        truth=capture_path("truth.csv"),
    log:
        logs("demo_frames.log"),
    benchmark:
        benchmarks("demo_frames.tsv")
    conda:
        "../../../envs/capture.yaml"
    resources:
        mem_mb=memory(500),
        runtime=5,
    params:
        lib=lib("demo_frames.py"),
        expressions={segment: dict(peak) for segment, peak in DEMO_PEAKS.items()},
        segments=list(DEMO_PEAKS),
        frames=CFG.demo.frames,
    message:
        "List the demo's frames and their true weights"
    script:
        "../../scripts/demo_frames.py"


rule demo_segment:
    input:
        head=HEAD,
        rig=rules.demo_rig.output.rig,
    output:
        images=directory(capture_path("images/{expression}")),
        tracked_mesh=directory(capture_path("tracked_mesh/{expression}")),
    log:
        logs("demo_segment/{expression}.log"),
    benchmark:
        benchmarks("demo_segment/{expression}.tsv")
    conda:
        "../../../envs/capture.yaml"
    resources:
        mem_mb=memory(1500),
        runtime=60,
    params:
        lib=lib("demo_segment.py"),
        demo=CFG.demo.model_dump(),
        seed=CFG.seed,
        peak=lambda wildcards: DEMO_USED[wildcards.expression],
    message:
        "Photograph {wildcards.expression}"
    script:
        "../../scripts/demo_segment.py"
