# Deformation components of the training frames.


rule compute_pca:
    input:
        **named_units(),
        attributes=results("attributes/{level}.h5"),
        template=results("template/template.h5"),
    output:
        results("components/{level}/pca_{attribute}.h5"),
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
    message:
        "PCA of {wildcards.attribute} at level {wildcards.level}"
    script:
        "../scripts/compute_pca.py"


rule compute_mbspca:
    input:
        **named_units(),
        attributes=results("attributes/{level}.h5"),
        template=results("template/template.h5"),
    output:
        results("components/{level}/mbspca_{attribute}.h5"),
    conda:
        "../../envs/components.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=120,
    params:
        attributes=attributes_side_by_side,
        k=plan.sparse_pca_count(K),
        alpha=CFG.components.mbspca_sparsity,
        rest=CFG.components.rest,
        data_matrix=CFG.components.data_matrix,
        seed=CFG.seed,
    message:
        "Sparse PCA of {wildcards.attribute} at level {wildcards.level}"
    script:
        "../scripts/compute_mbspca.py"


rule compute_sldc:
    input:
        **({"pca": results("components/{level}/pca_{attribute}.h5")} if CFG.components.data_matrix == "link" else {}),
        **named_units(),
        attributes=results("attributes/{level}.h5"),
        template=results("template/template.h5"),
    output:
        results("components/{level}/sldc_{support}_{attribute}.h5"),
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
    message:
        "Sparse localized components of {wildcards.attribute} at level {wildcards.level}, support {wildcards.support}"
    script:
        "../scripts/compute_sldc.py"


rule upsample_pca:
    input:
        **named_units(),
        components=results("components/{level}/pca_all.h5"),
        attributes=results(f"attributes/{FINEST}.h5"),
        template=results("template/template.h5"),
    output:
        results("components/{level}/upsampled_pca_all.h5"),
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
    message:
        "Upsampling the PCA of level {wildcards.level} to level {params.finest}"
    script:
        "../scripts/upsample_pca.py"
