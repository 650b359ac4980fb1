# From the raw capture to the data set, in head space, with cameras and the table of frames.

environment("capture")


rule calibrate_cameras:
    """Calibrate the cameras of {input.krt}."""
    input:
        krt=CAPTURE.file("KRT"),
        images=CAPTURE.file("images", CFG.neutral),
    output:
        calibration=results("dataset/calibration.json"),
    params:
        **configured("capture.cameras", "capture.image_scale", "capture.source", segment="neutral"),
    script:
        "../scripts/calibrate_cameras.py"


rule split_cameras:
    """Hold out cameras."""
    input:
        **files("calibration"),
    output:
        cameras=results("dataset/cameras.json"),
    params:
        **configured(held_out="capture.held_out.cameras"),
    script:
        "../scripts/split_cameras.py"


rule make_plates:
    """Make a background plate for every camera, of photographs of the empty stage or of what the frames show of it."""
    input:
        **files("calibration"),
        krt=CAPTURE.file("KRT"),
        given=CAPTURE.extra("plates"),
        images=CAPTURE.for_plates(CAPTURE.of_all("images")),
        meshes=CAPTURE.for_plates(CAPTURE.of_all("tracked_mesh")),
        neutral=CAPTURE.for_plates(CAPTURE.file("tracked_mesh", CFG.neutral)),
        frame_list=CAPTURE.for_plates(CAPTURE.extra("frame_list.txt")),
    output:
        plates=directory(results("dataset_plates")),
    threads: 2
    params:
        **configured("neutral", "capture.image_scale", "capture.color", "capture.source"),
        expressions=CAPTURE.for_plates(EXPRESSIONS),
    script:
        "../scripts/make_plates.py"


rule restructure_expression:
    """Restructure {wildcards.expression}: head space, levels, photographs with mattes."""
    input:
        **files("calibration"),
        krt=CAPTURE.file("KRT"),
        images=CAPTURE.file("images", "{expression}"),
        meshes=CAPTURE.file("tracked_mesh", "{expression}"),
        masks=CAPTURE.masks(),
        plates=SUBJECT.plates(),
        segmenter=SEGMENTATION_NETWORK if CFG.capture.background == "segmentation" else [],
        neutral=CAPTURE.file("tracked_mesh", CFG.neutral),
        frame_list=CAPTURE.extra("frame_list.txt"),
        tex_mean=CAPTURE.extra("tex_mean.png"),
    output:
        dataset=directory(results("dataset/{expression}")),
        frames=results("frames/{expression}.csv"),
    wildcard_constraints:
        expression=ONE_OF_EXPRESSIONS,
    threads: threads_of_large(4)
    params:
        **configured("capture.source"),
        expression="{expression}",
        options=configured(
            "neutral",
            "capture.frames_per_expression",
            "capture.frame_selection",
            "capture.holes",
            "capture.image_scale",
            "capture.color",
            "capture.background",
            "mesh.subdivisions",
        ),
    script:
        "../scripts/restructure_expression.py"


rule list_frames:
    """List the frames of all expressions."""
    input:
        tables=each("frames/{expression}.csv"),
    output:
        frames=results("frames.csv"),
    priority: 1  # it ends a run that cannot succeed before it fits
    params:
        **configured(held_out="capture.held_out.expressions"),
        # Snakemake compares no param that is made of inputs: another number of components lists the same frames
        components=lambda wildcards, input: CFG.components.k,
    script:
        "../scripts/list_frames.py"


rule show_mattes:
    """Show the mattes of the neutral."""
    input:
        **files("calibration"),
        dataset=results(f"dataset/{CFG.neutral}"),
        frames=results(f"frames/{CFG.neutral}.csv"),
        plates=SUBJECT.plates(),
    output:
        picture=reported("template/mattes.png", "mattes", "6 Capture", picture="mattes of the neutral"),
    params:
        **configured("capture.background"),
    script:
        "../scripts/show_mattes.py"


rule build_template:
    """Build the template: the neutral mesh at every level, the subdivision operators, the face mask."""
    input:
        **files("landmarks"),
        dataset=results(f"dataset/{CFG.neutral}"),
        frames=results(f"frames/{CFG.neutral}.csv"),
    output:
        template=results("template/template.h5"),
        mask=results("template/mask.npz"),
        objs=[results(f"template/mask_{level}.obj") for level in LEVELS],
        picture=reported("template/mask.png", "mask", "6 Capture", picture="face mask"),
    params:
        **configured("mesh.subdivisions", center_vertex="mesh.mask_center", fraction="mesh.mask_fraction"),
        pictured=LEVELS[min(1, len(LEVELS) - 1)],
    script:
        "../scripts/build_template.py"
