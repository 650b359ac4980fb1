# Stage 8: what people pose and animate the head with. Panels (names, ranges, presets), and tracks of weights over time.


rule control_panel:
    input:
        **named_units(),
        components=component_file,
        template=results("template/template.h5"),
        neutral=results("gaussians/neutral.h5"),
        frames=results("frames.csv"),
    output:
        panel=results("control/panels/{family}.json"),
        tour=results("control/tracks/{family}/tour.csv"),
    log:
        logs("control_panel/{family}.log"),
    benchmark:
        benchmarks("control_panel/{family}.tsv")
    conda:
        "../../envs/control.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=10,
    params:
        family="{family}",
        subject=CFG.subject,
        lib=lib("control_panel.py"),
    message:
        "Names, ranges and presets of {wildcards.family}, and a track through its expressions"
    script:
        "../scripts/control_panel.py"


rule track_frames:
    # all expressions in one job: to start one takes longer than to fit one
    input:
        **control_inputs(),
        gaussians=expand(results("gaussians/{expression}.h5"), expression=EXPRESSIONS),
    output:
        tracks=expand(results("control/tracks/{{family}}/{expression}.csv"), expression=EXPRESSIONS),
    log:
        logs("track_frames/{family}.log"),
    benchmark:
        benchmarks("track_frames/{family}.tsv")
    conda:
        "../../envs/control.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=30,
    params:
        expressions=EXPRESSIONS,
        numbers_per_second=CFG.capture.frame_numbers_per_second,
        smoothing=CFG.control.smoothing,
        lib=lib("track_frames.py"),
    message:
        "Weights of {wildcards.family} in the fitted frames"
    script:
        "../scripts/track_frames.py"


rule track_meshes:
    input:
        **control_inputs(),
        meshes=capture_path("tracked_mesh/{expression}"),
        neutral_meshes=capture_path(f"tracked_mesh/{CFG.neutral}"),
        frame_list=raw_extra("frame_list.txt"),
    output:
        track=results("control/tracks/{family}/mesh/{expression}.csv"),
    log:
        logs("track_meshes/{family}/{expression}.log"),
    benchmark:
        benchmarks("track_meshes/{family}/{expression}.tsv")
    conda:
        "../../envs/control.yaml"
    threads: 1
    resources:
        mem_mb=memory(8000),
        runtime=30,
    params:
        segment="{expression}",
        neutral=CFG.neutral,
        numbers_per_second=CFG.capture.frame_numbers_per_second,
        smoothing=CFG.control.smoothing,
        lib=lib("track_meshes.py"),
    message:
        "Weights of {wildcards.family} in the tracked meshes of {wildcards.expression}"
    script:
        "../scripts/track_meshes.py"


rule track_photographs:
    # the weights of one frame, from its photographs; asked for by name
    input:
        **control_inputs(),
        cameras=results("dataset/cameras.json"),
        frames=results("frames.csv"),
        photographs=results("dataset/{expression}"),
        plates=stage_plates(),
    output:
        track=results("control/tracks/{family}/photographs/{expression}/{frame}.csv"),
    log:
        logs("track_photographs/{family}/{expression}/{frame}.log"),
    benchmark:
        benchmarks("track_photographs/{family}/{expression}/{frame}.tsv")
    wildcard_constraints:
        frame="[A-Za-z0-9_]+",
    conda:
        "../../envs/control.yaml"
    threads: 2
    resources:
        mem_mb=memory(6000),
        runtime=30,
        gpu=gpu(),
    params:
        name="{expression}/{frame}",
        solve_steps=CFG.learned.solve_steps,
        sh_degree=CFG.fitting.sh_degree,
        rasterizer=CFG.fitting.rasterizer,
        background=CFG.capture.background,
        device=CFG.device,
        lib=lib("track_photographs.py"),
    message:
        "Weights of {wildcards.family} from the photographs of {wildcards.expression}/{wildcards.frame}"
    script:
        "../scripts/track_photographs.py"


rule retarget:
    # a track of another subject (or of another family of this one), played on this one; asked for by name
    input:
        **control_inputs(),
        source_track="results/{source}/control/tracks/{source_family}/{track}.csv",
        source_panel="results/{source}/control/panels/{source_family}.json",
        source_components=lambda wildcards: f"results/{wildcards.source}/components/{family_level(wildcards.source_family)}/{wildcards.source_family}.h5",
        source_neutral="results/{source}/gaussians/neutral.h5",
        source_template="results/{source}/template/template.h5",
    output:
        track=results("control/tracks/{family}/from_{source}/{source_family}/{track}.csv"),
    log:
        logs("retarget/{family}/from_{source}/{source_family}/{track}.log"),
    benchmark:
        benchmarks("retarget/{family}/from_{source}/{source_family}/{track}.tsv")
    wildcard_constraints:
        source="[A-Za-z0-9][A-Za-z0-9_.-]*",
        source_family="(pca|mbspca|sldc|learned)_[a-z_]+",
        track="[A-Za-z0-9_./-]+",
    conda:
        "../../envs/control.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=10,
    params:
        lib=lib("retarget.py"),
    message:
        "Playing {wildcards.track} of {wildcards.source} with {wildcards.family}"
    script:
        "../scripts/retarget.py"
