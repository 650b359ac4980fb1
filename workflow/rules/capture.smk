# From the raw capture to the data set, in head space, with cameras and the table of frames.


rule calibrate_cameras:
    input:
        krt=raw("KRT"),
        images=raw("images", CFG.neutral),
    output:
        calibration=results("dataset/calibration.json"),
    conda:
        "../../envs/capture.yaml"
    params:
        segment=CFG.neutral,
        cameras=CFG.capture.cameras,
        image_scale=CFG.capture.image_scale,
        source=CFG.capture.source,
    message:
        "Calibrating the cameras of {input.krt}"
    script:
        "../scripts/calibrate_cameras.py"


rule split_cameras:
    input:
        calibration=results("dataset/calibration.json"),
    output:
        cameras=results("dataset/cameras.json"),
    conda:
        "../../envs/capture.yaml"
    params:
        held_out=CFG.capture.held_out.cameras,
    message:
        "Holding out cameras"
    script:
        "../scripts/split_cameras.py"


rule make_plates:
    # photographs of the empty stage, or what the frames show of it
    input:
        calibration=results("dataset/calibration.json"),
        krt=raw("KRT"),
        given=raw_extra("plates"),
        images=for_plates(raw_of_all("images")),
        meshes=for_plates(raw_of_all("tracked_mesh")),
        neutral=for_plates(raw("tracked_mesh", CFG.neutral)),
        frame_list=for_plates(raw_extra("frame_list.txt")),
    output:
        plates=directory(results("dataset_plates")),
    conda:
        "../../envs/capture.yaml"
    threads: 2
    resources:
        mem_mb=memory(4000),
        runtime=120,
    params:
        expressions=for_plates(EXPRESSIONS),
        neutral=CFG.neutral,
        image_scale=CFG.capture.image_scale,
        color=CFG.capture.color,
        source=CFG.capture.source,
    message:
        "Making a background plate for every camera"
    script:
        "../scripts/make_plates.py"


rule restructure_expression:
    input:
        calibration=results("dataset/calibration.json"),
        krt=raw("KRT"),
        images=raw("images", "{expression}"),
        meshes=raw("tracked_mesh", "{expression}"),
        masks=raw("masks", "{expression}") if CFG.capture.background == "masks" else [],
        plates=stage_plates(),
        segmenter=SEGMENTATION_NETWORK if CFG.capture.background == "segmentation" else [],
        neutral=raw("tracked_mesh", CFG.neutral),
        frame_list=raw_extra("frame_list.txt"),
        tex_mean=raw_extra("tex_mean.png"),
    output:
        dataset=directory(results("dataset/{expression}")),
        frames=results("frames/{expression}.csv"),
    wildcard_constraints:
        expression="|".join(re.escape(name) for name in EXPRESSIONS),
    conda:
        "../../envs/capture.yaml"
    threads: threads_of_large(4)
    resources:
        mem_mb=memory(2000),
        runtime=120,
    params:
        expression="{expression}",
        source=CFG.capture.source,
        options={
            "neutral": CFG.neutral,
            "frames_per_expression": CFG.capture.frames_per_expression,
            "frame_selection": CFG.capture.frame_selection,
            "holes": CFG.capture.holes,
            "image_scale": CFG.capture.image_scale,
            "color": CFG.capture.color,
            "background": CFG.capture.background,
            "subdivisions": CFG.mesh.subdivisions,
        },
    message:
        "Restructuring {wildcards.expression}: head space, levels, photographs with mattes"
    script:
        "../scripts/restructure_expression.py"


rule list_frames:
    input:
        tables=expand(results("frames/{expression}.csv"), expression=EXPRESSIONS),
    output:
        frames=results("frames.csv"),
    priority: 1  # it ends a run that cannot succeed before it fits
    conda:
        "../../envs/capture.yaml"
    params:
        held_out=CFG.capture.held_out.expressions,
        # Snakemake compares no param that is made of inputs: another number of components lists the same frames
        components=lambda wildcards, input: K,
    message:
        "Listing the frames of all expressions"
    script:
        "../scripts/list_frames.py"


rule show_mattes:
    input:
        dataset=results(f"dataset/{CFG.neutral}"),
        frames=results(f"frames/{CFG.neutral}.csv"),
        calibration=results("dataset/calibration.json"),
        plates=stage_plates(),
    output:
        picture=reported("template/mattes.png", "mattes", "6 Capture", picture="mattes of the neutral"),
    conda:
        "../../envs/capture.yaml"
    params:
        background=CFG.capture.background,
    message:
        "Showing the mattes of the neutral"
    script:
        "../scripts/show_mattes.py"


# The neutral mesh at every level, the subdivision operators, and the face mask.


rule build_template:
    input:
        dataset=results(f"dataset/{CFG.neutral}"),
        frames=results(f"frames/{CFG.neutral}.csv"),
        landmarks=results("landmarks/landmarks.csv"),
    output:
        template=results("template/template.h5"),
        mask=results("template/mask.npz"),
        objs=expand(results("template/mask_{level}.obj"), level=LEVELS),
        picture=reported("template/mask.png", "mask", "6 Capture", picture="face mask"),
    conda:
        "../../envs/capture.yaml"
    resources:
        mem_mb=memory(2000),
        runtime=20,
    params:
        subdivisions=CFG.mesh.subdivisions,
        center_vertex=CFG.mesh.mask_center,
        fraction=CFG.mesh.mask_fraction,
        pictured=LEVELS[min(1, len(LEVELS) - 1)],
    message:
        "Building the template: levels, operators, face mask"
    script:
        "../scripts/build_template.py"
