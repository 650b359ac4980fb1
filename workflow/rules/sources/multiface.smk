# Captures of the Multiface release: listed, fetched, verified, unpacked.
#
# What arrives is certified by the release's own MD5 sums, so these rules depend on no library code: an upgrade of
# splatrig must not ask for terabytes again. Archives that were unpacked once stay below archives/, and a job that
# runs again links them anew.

RAW_EXTRAS = ["frame_list.txt", "tex_mean.png"]
NOTICE = "Learned from Multiface (Meta), CC BY-NC 4.0: not for commercial use."
MULTIFACE_ASSETS = ["images", "tracked_mesh", "metadata", *CFG.capture.download.extra_assets]
PARALLEL = CFG.capture.download.parallel

if "downloads" not in workflow.global_resources:
    workflow.register_resource("downloads", PARALLEL)


localrules:
    download_release,
    multiface_plan,
    download_metadata,


rule multiface_download:
    input:
        capture_path("KRT"),
        expand(capture_path("images/{expression}"), expression=EXPRESSIONS),
    message:
        f"The raw capture of entity {CFG.capture.entity} is complete"


rule download_release:
    output:
        release=capture_path("archives/release.csv"),
    conda:
        "../../../envs/capture.yaml"
    params:
        lib="",
        url=f"{CFG.capture.url.rstrip('/')}/{CFG.capture.entity}",
        entity=from_here(ROOT / "resources" / "multiface" / f"{CFG.capture.entity}.yaml"),
        links=CFG.capture.download.links,
    message:
        "List the archives at {params.url}"
    script:
        "../../scripts/download_release.py"


rule multiface_plan:
    input:
        release=ancient(capture_path("archives/release.csv")),
    # no output and no benchmark: it tells the state of this moment, every time it is asked
    conda:
        "../../../envs/capture.yaml"
    params:
        lib="",
        entity=CFG.capture.entity,
        segments=EXPRESSIONS,
        assets=MULTIFACE_ASSETS,
        cameras=CFG.capture.cameras,
    message:
        "Count the archives and bytes that entity {params.entity} would bring"
    script:
        "../../scripts/multiface_plan.py"


rule download_metadata:
    input:
        release=ancient(capture_path("archives/release.csv")),
    output:
        **({"audio": directory(capture_path("audio"))} if "audio" in MULTIFACE_ASSETS else {}),
        krt=capture_path("KRT"),
        frame_list=capture_path("frame_list.txt"),
        tex_mean=capture_path("tex_mean.png"),
    conda:
        "../../../envs/capture.yaml"
    resources:
        mem_mb=memory(500),
        runtime=60,
        downloads=min(2, PARALLEL),
    params:
        lib="",
        entity=CFG.capture.entity,
    message:
        "Fetch the cameras and frame list of entity {params.entity} (licence CC BY-NC 4.0)"
    script:
        "../../scripts/download_metadata.py"


rule download_segment:
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
        expression="|".join(re.escape(name) for name in EXPRESSIONS),
    conda:
        "../../../envs/capture.yaml"
    resources:
        mem_mb=memory(1000),
        runtime=1440,
        # a whole segment is two archives; with few segments each takes a larger share
        downloads=max(min(2, PARALLEL), PARALLEL // len(EXPRESSIONS)),
    params:
        lib="",
        entity=CFG.capture.entity,
        expression="{expression}",
        cameras=CFG.capture.cameras,
    message:
        "Fetch {wildcards.expression} of entity {params.entity} (licence CC BY-NC 4.0)"
    script:
        "../../scripts/download_segment.py"
