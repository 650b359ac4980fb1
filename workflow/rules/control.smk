# Posing and animating the head: panels (names, ranges, presets), tracks of weights over time, the page in a browser.

from types import SimpleNamespace

SMOOTHED = configured("control.smoothing", numbers_per_second="capture.frame_numbers_per_second")
WEB = ROOT / "workflow" / "web"

environment("control")


rule write_panel:
    """Write names, ranges and presets of {wildcards.family}, and a track through its expressions."""
    input:
        **HEAD,
        **SUBJECT.named_units(),
        **files("frames"),
        components=SUBJECT.component_file,
    output:
        panel=results("control/panels/{family}.json"),
        tour=results("control/tracks/{family}/tour.csv"),
    params:
        **configured("subject"),
        family="{family}",
    script:
        "../scripts/write_panel.py"


rule track_frames:
    """Solve the weights of {wildcards.family} in the fitted frames.

    All expressions are one job, since starting a job takes longer than fitting one expression.
    """
    input:
        **POSED,
        gaussians=each("gaussians/{expression}.h5"),
    output:
        tracks=each("control/tracks/{family}/{expression}.csv"),
    params:
        **SMOOTHED,
        expressions=EXPRESSIONS,
    script:
        "../scripts/track_frames.py"


rule track_meshes:
    """Solve the weights of {wildcards.family} in the tracked meshes of {wildcards.expression}."""
    input:
        **POSED,
        krt=CAPTURE.file("KRT"),
        meshes=CAPTURE.file("tracked_mesh", "{expression}"),
        neutral_meshes=CAPTURE.file("tracked_mesh", CFG.neutral),
        frame_list=CAPTURE.extra("frame_list.txt"),
    output:
        track=results("control/tracks/{family}/mesh/{expression}.csv"),
    params:
        **SMOOTHED,
        **configured("capture.source", "neutral"),
        segment="{expression}",
    script:
        "../scripts/track_meshes.py"


rule track_photographs:
    """Solve, on request, weights of {wildcards.family} in photographs of {wildcards.expression}/{wildcards.frame}."""
    input:
        **POSED,
        **SUBJECT.taken_of("{expression}"),
        **files("frames"),
    output:
        track=results("control/tracks/{family}/photographs/{expression}/{frame}.csv"),
    threads: 2
    params:
        **PHOTOMETRY,
        **configured("learned.solve_steps"),
        name="{expression}/{frame}",
    script:
        "../scripts/track_photographs.py"


rule retarget_track:
    """Play, on request, {wildcards.track} of {wildcards.source} and {wildcards.source_family} by {wildcards.family}."""
    input:
        **POSED,
        source_track="results/{source}/control/tracks/{source_family}/{track}.csv",
        source_panel="results/{source}/control/panels/{source_family}.json",
        source_components=SUBJECT.source_component_file,
        source_neutral="results/{source}/gaussians/neutral.h5",
        source_template="results/{source}/template/template.h5",
    output:
        track=results("control/tracks/{family}/from_{source}/{source_family}/{track}.csv"),
    script:
        "../scripts/retarget_track.py"


rule drive_track:
    """Drive, on request, {wildcards.family}, which has ARKit's names, by the recording {wildcards.performance}."""
    input:
        **files("panel"),
        weights=SUBJECT.driving_file,
        settings=SUBJECT.driving_settings,
    output:
        track=results("control/tracks/{family}/driven/{performance}.csv"),
    script:
        "../scripts/drive_track.py"


rule pack_web_head:
    """Pack the web head into one file, which poses the head in a browser, from disk and offline."""
    input:
        **SCENE,
        components=[SUBJECT.component_file(SimpleNamespace(family=family)) for family in CFG.control.families],
        panels=SUBJECT.of_control("control/panels/{family}.json"),
        tracks=SUBJECT.control_tracks(["tour"]) + SUBJECT.control_tracks(EXPRESSIONS),
        sources=[source(WEB / "index.html"), source(WEB / "style.css"), *map(source, sorted(WEB.glob("src/*.js")))],
        renderer=RENDERER,
    output:
        page=results("control/head.html"),
        numbers=results("control/head.json"),
    threads: threads_of_large(2)
    params:
        **configured("control.families", "subject", "device"),
        measured_cameras=2,
        notice=CAPTURE.notice,
    script:
        "../scripts/pack_web_head.py"


rule add_webcam:
    """Add webcam input to the web head: the same page, which is served if the required family exists."""
    input:
        **FACE_NETWORKS,
        page=rules.pack_web_head.output.page,
        sources=list(map(source, sorted(WEB.glob("webcam/*.js")))),
        runtime=LITERT,
        responses=source("resources", "landmarks", "responses.csv"),
        canonical=CANONICAL_FACE,
        license=NETWORKS_LICENSE,
    output:
        page=results("control/head_webcam.html"),
    script:
        "../scripts/add_webcam.py"
