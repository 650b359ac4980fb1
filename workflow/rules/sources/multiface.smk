# Captures of the Multiface release: listed, fetched, verified, unpacked.
#
# What arrives is certified by the release's own MD5 sums, so these rules depend on no library code: an upgrade of
# splatrig must not ask for terabytes again. Archives that were unpacked once stay below archives/, and a job that
# runs again links them anew.

CAPTURE = RawCapture(
    SUBJECT,
    extras=["frame_list.txt", "tex_mean.png"],
    notice="Learned from Multiface (Meta), CC BY-NC 4.0: not for commercial use.",
)
MULTIFACE_ASSETS = ["images", "tracked_mesh", "metadata", *CFG.capture.download.extra_assets]
PARALLEL = CFG.capture.download.parallel

if "downloads" not in workflow.global_resources:
    workflow.register_resource("downloads", PARALLEL)


environment("capture")


rule multiface_download:
    """Download the raw capture of the entity."""
    input:
        capture_path("KRT"),
        [capture_path(f"images/{expression}") for expression in EXPRESSIONS],


rule download_release:
    """List the archives at {params.url}."""
    output:
        release=capture_path("archives/release.csv"),
    localrule: True
    params:
        **configured("capture.download.links"),
        lib="",
        url=f"{CFG.capture.url.rstrip('/')}/{CFG.capture.entity}",
        entity=from_here(ROOT / "resources" / "multiface" / f"{CFG.capture.entity}.yaml"),
    script:
        "../../scripts/download_release.py"


rule multiface_plan:
    """Count the archives and bytes that entity {params.entity} would bring.

    It has no output, for it tells the state of this moment, every time it is asked.
    """
    input:
        release=ancient(capture_path("archives/release.csv")),
    localrule: True
    params:
        **configured("capture.entity", "capture.cameras"),
        lib="",
        segments=EXPRESSIONS,
        assets=MULTIFACE_ASSETS,
    script:
        "../../scripts/multiface_plan.py"


rule download_metadata:
    """Fetch the cameras and frame list of entity {params.entity} (license CC BY-NC 4.0)."""
    input:
        release=ancient(capture_path("archives/release.csv")),
    output:
        **({"audio": directory(capture_path("audio"))} if "audio" in MULTIFACE_ASSETS else {}),
        krt=capture_path("KRT"),
        frame_list=capture_path("frame_list.txt"),
        tex_mean=capture_path("tex_mean.png"),
    localrule: True
    resources:
        downloads=min(2, PARALLEL),
    params:
        **configured("capture.entity"),
        lib="",
    script:
        "../../scripts/download_metadata.py"


rule download_segment:
    """Fetch {wildcards.expression} of entity {params.entity} (license CC BY-NC 4.0)."""
    input:
        release=ancient(capture_path("archives/release.csv")),
    output:
        **(
            {"unwrapped_uv_1024": directory(capture_path("unwrapped_uv_1024/{expression}"))}
            if "unwrapped_uv_1024" in MULTIFACE_ASSETS
            else {}
        ),
        images=directory(capture_path("images/{expression}")),
        tracked_mesh=directory(capture_path("tracked_mesh/{expression}")),
    wildcard_constraints:
        expression=ONE_OF_EXPRESSIONS,
    resources:
        # a whole segment is two archives; with few segments each takes a larger share
        downloads=max(min(2, PARALLEL), PARALLEL // len(EXPRESSIONS)),
    params:
        **configured("capture.entity", "capture.cameras"),
        lib="",
        expression="{expression}",
    script:
        "../../scripts/download_segment.py"
