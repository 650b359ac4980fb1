# Deformation components of the training frames.

TRAINING_ROWS = SUBJECT.named_units() | {"attributes": results("attributes/{level}.h5")} | files("template")
"""What every rule reads about the frames of a level."""
DECOMPOSED = configured("components.rest", "components.data_matrix") | {
    "attributes": partial(params.attributes_side_by_side, CFG)
}
"""Which values of the frames are decomposed."""

environment("components")


rule compute_pca:
    """Compute the PCA of {wildcards.attribute} at level {wildcards.level}."""
    input:
        **TRAINING_ROWS,
    output:
        results("components/{level}/pca_{attribute}.h5"),
    threads: threads_of_large(2)
    params:
        **DECOMPOSED,
        **configured("components.k", weights="components.pca_weights"),
    script:
        "../scripts/compute_pca.py"


rule compute_mbspca:
    """Compute the sparse PCA of {wildcards.attribute} at level {wildcards.level}."""
    input:
        **TRAINING_ROWS,
    output:
        results("components/{level}/mbspca_{attribute}.h5"),
    params:
        **DECOMPOSED,
        **configured("seed", alpha="components.mbspca_sparsity"),
        k=plan.sparse_pca_count(CFG.components.k),
    script:
        "../scripts/compute_mbspca.py"


rule compute_sldc:
    """Compute sparse localized components of {wildcards.attribute} at level {wildcards.level}, {wildcards.support}."""
    input:
        **({"pca": results("components/{level}/pca_{attribute}.h5")} if CFG.components.data_matrix == "link" else {}),
        **TRAINING_ROWS,
    output:
        results("components/{level}/sldc_{support}_{attribute}.h5"),
    conda:
        "../../envs/training.yaml" if gpu() else "../../envs/components.yaml"
    threads: threads_of_large(2)
    params:
        **DECOMPOSED,
        support="{support}",
        support_map=lambda wildcards: support_map(wildcards.support),
        sldc=sldc_options(CFG.components.sldc.sparsity),
    script:
        "../scripts/compute_sldc.py"


rule upsample_pca:
    """Upsample the PCA of level {wildcards.level} to the finest level."""
    input:
        **SUBJECT.named_units(),
        **files("template"),
        components=results("components/{level}/pca_all.h5"),
        attributes=results(f"attributes/{FINEST}.h5"),
    output:
        results("components/{level}/upsampled_pca_all.h5"),
    threads: threads_of_large(2)
    params:
        **configured("components.rest", "components.data_matrix"),
        level="{level}",
        finest=FINEST,
    script:
        "../scripts/upsample_pca.py"
