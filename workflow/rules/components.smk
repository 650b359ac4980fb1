# Stage 6: deformation components of the training frames.


rule pca:
    input:
        **named_units(),
        attributes=results("attributes/{level}.h5"),
        template=results("template/template.h5"),
    output:
        results("components/{level}/pca_{attribute}.h5"),
    log:
        logs("pca/{level}_{attribute}.log"),
    benchmark:
        benchmarks("pca/{level}_{attribute}.tsv")
    wildcard_constraints:
        attribute=f"all|{ATTRIBUTE}",
    conda:
        "../../envs/components.yaml"
    threads: 2
    resources:
        mem_mb=memory(4000),
        runtime=30,
    params:
        attributes=attributes_side_by_side,
        k=K,
        weights=CFG.components.pca_weights,
        rest=CFG.components.rest,
        data_matrix=CFG.components.data_matrix,
        lib=lib("pca.py"),
    message:
        "PCA of {wildcards.attribute} at level {wildcards.level}"
    script:
        "../scripts/pca.py"


rule mbspca:
    input:
        **named_units(),
        attributes=results("attributes/{level}.h5"),
        template=results("template/template.h5"),
    output:
        results("components/{level}/mbspca_{attribute}.h5"),
    log:
        logs("mbspca/{level}_{attribute}.log"),
    benchmark:
        benchmarks("mbspca/{level}_{attribute}.tsv")
    conda:
        "../../envs/components.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=120,
    params:
        attributes=attributes_side_by_side,
        k=SPARSE_K,
        alpha=CFG.components.mbspca_sparsity,
        rest=CFG.components.rest,
        data_matrix=CFG.components.data_matrix,
        seed=CFG.seed,
        lib=lib("mbspca.py"),
    message:
        "Sparse PCA of {wildcards.attribute} at level {wildcards.level}"
    script:
        "../scripts/mbspca.py"


rule sldc:
    input:
        **({"pca": results("components/{level}/pca_{attribute}.h5")} if CFG.components.data_matrix == "link" else {}),
        **named_units(),
        attributes=results("attributes/{level}.h5"),
        template=results("template/template.h5"),
    output:
        results("components/{level}/sldc_{support}_{attribute}.h5"),
    log:
        logs("sldc/{level}_{support}_{attribute}.log"),
    benchmark:
        benchmarks("sldc/{level}_{support}_{attribute}.tsv")
    wildcard_constraints:
        attribute=f"all|{ATTRIBUTE}",
    conda:
        "../../envs/training.yaml" if gpu() else "../../envs/components.yaml"
    threads: 2
    resources:
        mem_mb=memory(12000),
        runtime=60,
        gpu=gpu(),
    params:
        attributes=attributes_side_by_side,
        support="{support}",
        support_map=lambda wildcards: support_map(wildcards.support),
        sldc=sldc_options(CFG.components.sldc.sparsity),
        rest=CFG.components.rest,
        data_matrix=CFG.components.data_matrix,
        lib=lib("sldc.py"),
    message:
        "Sparse localized components of {wildcards.attribute} at level {wildcards.level}, support {wildcards.support}"
    script:
        "../scripts/sldc.py"


rule upsampling:
    input:
        **named_units(),
        components=results("components/{level}/pca_all.h5"),
        attributes=results(f"attributes/{FINEST}.h5"),
        template=results("template/template.h5"),
    output:
        results("components/{level}/upsampled_pca_all.h5"),
    log:
        logs("upsampling/{level}.log"),
    benchmark:
        benchmarks("upsampling/{level}.tsv")
    conda:
        "../../envs/components.yaml"
    threads: 2
    resources:
        mem_mb=memory(4000),
        runtime=30,
    params:
        level="{level}",
        finest=FINEST,
        rest=CFG.components.rest,
        data_matrix=CFG.components.data_matrix,
        lib=lib("upsampling.py"),
    message:
        "Carrying the PCA of level {wildcards.level} to level {FINEST}"
    script:
        "../scripts/upsampling.py"
