# Posing and animating the head: panels (names, ranges, presets) and tracks of weights over time.


rule write_panel:
    input:
        **HEAD,
        **named_units(),
        components=component_file,
        frames=results("frames.csv"),
    output:
        panel=results("control/panels/{family}.json"),
        tour=results("control/tracks/{family}/tour.csv"),
    conda:
        "../../envs/control.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=10,
    params:
        family="{family}",
        subject=CFG.subject,
    message:
        "Writing names, ranges and presets of {wildcards.family}, and a track through its expressions"
    script:
        "../scripts/write_panel.py"


rule track_frames:
    # all expressions in one job, since starting a job takes longer than fitting one expression
    input:
        **control_inputs(),
        gaussians=fitted(),
    output:
        tracks=expand(results("control/tracks/{{family}}/{expression}.csv"), expression=EXPRESSIONS),
    conda:
        "../../envs/control.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=30,
    params:
        expressions=EXPRESSIONS,
        numbers_per_second=CFG.capture.frame_numbers_per_second,
        smoothing=CFG.control.smoothing,
    message:
        "Solving the weights of {wildcards.family} in the fitted frames"
    script:
        "../scripts/track_frames.py"


rule track_meshes:
    input:
        **control_inputs(),
        krt=raw("KRT"),
        meshes=raw("tracked_mesh", "{expression}"),
        neutral_meshes=raw("tracked_mesh", CFG.neutral),
        frame_list=raw_extra("frame_list.txt"),
    output:
        track=results("control/tracks/{family}/mesh/{expression}.csv"),
    conda:
        "../../envs/control.yaml"
    resources:
        mem_mb=memory(8000),
        runtime=30,
    params:
        segment="{expression}",
        source=CFG.capture.source,
        neutral=CFG.neutral,
        numbers_per_second=CFG.capture.frame_numbers_per_second,
        smoothing=CFG.control.smoothing,
    message:
        "Solving the weights of {wildcards.family} in the tracked meshes of {wildcards.expression}"
    script:
        "../scripts/track_meshes.py"


rule track_photographs:
    # the weights of one frame, solved from its photographs; on request, by file name
    input:
        **control_inputs(),
        cameras=results("dataset/cameras.json"),
        frames=results("frames.csv"),
        photographs=results("dataset/{expression}"),
        plates=stage_plates(),
    output:
        track=results("control/tracks/{family}/photographs/{expression}/{frame}.csv"),
    wildcard_constraints:
        frame=NAME,
    conda:
        "../../envs/control.yaml"
    threads: 2
    resources:
        mem_mb=memory(6000),
        runtime=30,
        gpu=gpu(),
    params:
        **photometry(),
        name="{expression}/{frame}",
        solve_steps=CFG.learned.solve_steps,
    message:
        "Solving the weights of {wildcards.family} from the photographs of {wildcards.expression}/{wildcards.frame}"
    script:
        "../scripts/track_photographs.py"


rule retarget_track:
    # a track of another subject (or another family of this one), played on this one; on request, by file name
    input:
        **control_inputs(),
        source_track="results/{source}/control/tracks/{source_family}/{track}.csv",
        source_panel="results/{source}/control/panels/{source_family}.json",
        source_components=lambda wildcards: f"results/{wildcards.source}/components/{family_level(wildcards.source_family)}/{wildcards.source_family}.h5",
        source_neutral="results/{source}/gaussians/neutral.h5",
        source_template="results/{source}/template/template.h5",
    output:
        track=results("control/tracks/{family}/from_{source}/{source_family}/{track}.csv"),
    conda:
        "../../envs/control.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=10,
    message:
        "Playing {wildcards.track} of {wildcards.source} with {wildcards.family}"
    script:
        "../scripts/retarget_track.py"


rule drive_track:
    # a recording by a phone or a webcam, as a track of a family with ARKit's names; on request, by file name
    input:
        weights=driving_file,
        settings=driving_settings,
        panel=results("control/panels/{family}.json"),
    output:
        track=results("control/tracks/{family}/driven/{performance}.csv"),
    wildcard_constraints:
        performance=NAME,
    conda:
        "../../envs/control.yaml"
    resources:
        mem_mb=memory(2000),
        runtime=10,
    message:
        "Driving {wildcards.family} by {wildcards.performance}"
    script:
        "../scripts/drive_track.py"


# The one-file web head, which poses the head in a browser, from disk and offline.

from types import SimpleNamespace

WEB = ROOT / "workflow" / "web"


rule retrieve_renderer:
    input:
        lock=source(WEB / "package-lock.json"),
    output:
        archive="resources/retrieved/web_renderer.zip",
    conda:
        "../../envs/control.yaml"
    message:
        "Retrieving three.js and Spark, which render the web head"
    script:
        "../scripts/retrieve_renderer.py"


rule pack_web_head:
    input:
        **SCENE,
        components=[component_file(SimpleNamespace(family=family)) for family in CFG.control.families],
        panels=of_control("control/panels/{family}.json"),
        tracks=of_control("control/tracks/{family}/tour.csv")
        + of_control("control/tracks/{family}/{expression}.csv", expression=EXPRESSIONS),
        sources=[
            source(WEB / "index.html"),
            source(WEB / "style.css"),
            *map(source, sorted((WEB / "src").glob("*.js"))),
        ],
        renderer=rules.retrieve_renderer.output.archive,
    output:
        page=results("control/head.html"),
        numbers=results("control/head.json"),
    conda:
        "../../envs/control.yaml"
    threads: 2
    resources:
        mem_mb=memory(6000),
        runtime=30,
        gpu=gpu(),
    params:
        families=CFG.control.families,
        subject=CFG.subject,
        measured_cameras=2,
        notice=NOTICE,
        device=CFG.device,
    message:
        "Packing the web head into one file to open in a browser"
    script:
        "../scripts/pack_web_head.py"


rule retrieve_litert:
    input:
        lock=source(WEB / "package-lock.json"),
    output:
        archive="resources/retrieved/litert.zip",
    conda:
        "../../envs/control.yaml"
    message:
        "Retrieving LiteRT.js, which runs networks in the web head"
    script:
        "../scripts/retrieve_litert.py"


rule add_webcam:
    # the same page with webcam input, which is served if the required family exists
    input:
        **FACE_NETWORKS,
        page=rules.pack_web_head.output.page,
        sources=list(map(source, sorted((WEB / "webcam").glob("*.js")))),
        runtime=rules.retrieve_litert.output.archive,
        responses=source("resources", "landmarks", "responses.csv"),
        canonical=CANONICAL_FACE,
        license=rules.retrieve_face_networks.output.license,
    output:
        page=results("control/head_webcam.html"),
    conda:
        "../../envs/control.yaml"
    resources:
        mem_mb=memory(1000),
        runtime=5,
    message:
        "Adding webcam input to the web head"
    script:
        "../scripts/add_webcam.py"
