# Stage 2: from the raw capture to the data set, in head space, with cameras and the table of frames.


rule calibration:
    input:
        krt=capture_path("KRT"),
        images=capture_path(f"images/{CFG.neutral}"),
    output:
        calibration=results("dataset/calibration.json"),
    log:
        logs("calibration.log"),
    benchmark:
        benchmarks("calibration.tsv")
    conda:
        "../../envs/capture.yaml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=10,
    params:
        lib=lib("calibration.py"),
        segment=CFG.neutral,
        cameras=CFG.capture.cameras,
        image_scale=CFG.capture.image_scale,
    message:
        "Calibrating the cameras of {input.krt}"
    script:
        "../scripts/calibration.py"


rule cameras:
    input:
        calibration=results("dataset/calibration.json"),
    output:
        cameras=results("dataset/cameras.json"),
    log:
        logs("cameras.log"),
    benchmark:
        benchmarks("cameras.tsv")
    conda:
        "../../envs/capture.yaml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=10,
    params:
        lib=lib("cameras.py"),
        held_out=CFG.capture.held_out.cameras,
    message:
        "Holding out cameras"
    script:
        "../scripts/cameras.py"


rule restructure:
    input:
        calibration=results("dataset/calibration.json"),
        images=capture_path("images/{expression}"),
        meshes=capture_path("tracked_mesh/{expression}"),
        neutral=capture_path(f"tracked_mesh/{CFG.neutral}"),
        frame_list=raw_extra("frame_list.txt"),
        tex_mean=raw_extra("tex_mean.png"),
    output:
        dataset=directory(results("dataset/{expression}")),
        frames=results("frames/{expression}.csv"),
    log:
        logs("restructure/{expression}.log"),
    benchmark:
        benchmarks("restructure/{expression}.tsv")
    wildcard_constraints:
        expression="|".join(re.escape(name) for name in EXPRESSIONS),
    conda:
        "../../envs/capture.yaml"
    threads: threads_of_large(4)
    resources:
        mem_mb=memory(2000),
        runtime=120,
    params:
        lib=lib("restructure.py"),
        expression="{expression}",
        options={
            "neutral": CFG.neutral,
            "frames_per_expression": CFG.capture.frames_per_expression,
            "frame_selection": CFG.capture.frame_selection,
            "holes": CFG.capture.holes,
            "image_scale": CFG.capture.image_scale,
            "color": CFG.capture.color,
            "silhouettes": CFG.capture.background == "silhouette",
            "subdivisions": CFG.mesh.subdivisions,
        },
    message:
        "Restructuring {wildcards.expression}: head space, levels, photographs with silhouettes"
    script:
        "../scripts/restructure.py"


rule frames:
    input:
        tables=expand(results("frames/{expression}.csv"), expression=EXPRESSIONS),
    output:
        frames=results("frames.csv"),
    log:
        logs("frames.log"),
    benchmark:
        benchmarks("frames.tsv")
    conda:
        "../../envs/capture.yaml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=10,
    params:
        lib=lib("frames.py"),
        held_out=CFG.capture.held_out.expressions,
    message:
        "Listing the frames of all expressions"
    script:
        "../scripts/frames.py"


rule plates:
    input:
        datasets=expand(results("dataset/{expression}"), expression=EXPRESSIONS),
        cameras=results("dataset/cameras.json"),
        frames=results("frames.csv"),
    output:
        plates=directory(results("dataset_plates")),
    log:
        logs("plates.log"),
    benchmark:
        benchmarks("plates.tsv")
    conda:
        "../../envs/capture.yaml"
    threads: 2
    resources:
        mem_mb=memory(4000),
        runtime=120,
    params:
        lib=lib("plates.py"),
        expressions=EXPRESSIONS,
    message:
        "Making a background plate for every camera"
    script:
        "../scripts/plates.py"
