# Stage 5: fitted frames to one matrix an attribute, at every level.


rule attributes:
    input:
        frames=results("frames.csv"),
        template=results("template/template.h5"),
        gaussians=expand(results("gaussians/{expression}.h5"), expression=EXPRESSIONS),
    output:
        **{level: results(f"attributes/{level}.h5") for level in LEVELS},
    log:
        logs("attributes.log"),
    benchmark:
        benchmarks("attributes.tsv")
    conda:
        "../../envs/components.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=60,
    params:
        expressions=EXPRESSIONS,
        subject=CFG.subject,
        lib=lib("attributes.py"),
    message:
        "Exporting the attributes of all frames at the levels {LEVELS}"
    script:
        "../scripts/attributes.py"
