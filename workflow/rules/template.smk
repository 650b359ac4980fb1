# Stage 3: the neutral mesh at every level, the subdivision operators, and the face mask.


rule template:
    input:
        dataset=results(f"dataset/{CFG.capture.neutral}"),
        frames=results(f"frames/{CFG.capture.neutral}.csv"),
        landmarks=results("landmarks/landmarks.csv"),
    output:
        template=results("template/template.h5"),
        mask=results("template/mask.npz"),
        objs=expand(results("template/mask_{level}.obj"), level=LEVELS),
        picture=report(
            results("template/mask.png"),
            category="6 Capture",
            caption="../report/mask.rst",
            labels={"picture": "face mask"},
        ),
    log:
        logs("template.log"),
    benchmark:
        benchmarks("template.tsv")
    conda:
        "../../envs/capture.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=20,
    params:
        lib=lib("template.py"),
        subdivisions=CFG.mesh.subdivisions,
        center_vertex=CFG.mesh.mask.center_vertex,
        fraction=CFG.mesh.mask.fraction,
        pictured=LEVELS[min(1, len(LEVELS) - 1)],
    message:
        "Building the template: levels, operators, face mask"
    script:
        "../scripts/template.py"
