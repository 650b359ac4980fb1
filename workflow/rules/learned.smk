# Rigs learned through the rasteriser: neutral fit, components of the tracked meshes, learned optimisation.
# No frame but the neutral has to be fitted for them.


rule learned_rigs:
    # the short way: neutral fit, tracked meshes, learned rigs, and no fit of any other frame
    input:
        learned_rig_files(),


rule mesh_components:
    input:
        neutral=results("gaussians/neutral.h5"),
        template=results("template/template.h5"),
        cameras=results("dataset/cameras.json"),
        frames=results("frames.csv"),
        photographs=expand(results("dataset/{expression}"), expression=EXPRESSIONS),
        plates=stage_plates(),
    output:
        components=results("components/base/mesh_{algorithm}.h5"),
    log:
        logs("mesh_components/{algorithm}.log"),
    benchmark:
        benchmarks("mesh_components/{algorithm}.tsv")
    wildcard_constraints:
        algorithm="pca|sldc",
    conda:
        "../../envs/training.yaml"
    threads: threads_of_large(2)
    resources:
        mem_mb=memory(8000),
        runtime=60,
    params:
        method="{algorithm}",
        k=K,
        support=only_for("algorithm", "sldc", SUPPORTS[0]),
        support_map=only_for("algorithm", "sldc", support_map(SUPPORTS[0])),
        sldc=only_for("algorithm", "sldc", sldc_options(CFG.learned.sparsity)),
        subject=CFG.subject,
        lib=lib("mesh_components.py"),
    message:
        "Components of the tracked meshes: {wildcards.algorithm}"
    script:
        "../scripts/mesh_components.py"


rule learn_rig:
    input:
        **named_units(),
        neutral=results("gaussians/neutral.h5"),
        template=results("template/template.h5"),
        cameras=results("dataset/cameras.json"),
        frames=results("frames.csv"),
        photographs=expand(results("dataset/{expression}"), expression=EXPRESSIONS),
        plates=stage_plates(),
        start=learned_start,
    output:
        components=results(f"components/{FINEST}/learned_{{locality}}.h5"),
    log:
        logs("learn_rig/{locality}.log"),
    benchmark:
        benchmarks("learn_rig/{locality}.tsv")
    wildcard_constraints:
        locality="global|local",
    conda:
        "../../envs/training.yaml"
    threads: CFG.learned.devices * fit_threads(1)
    resources:
        mem_mb=memory(CFG.learned.devices * int(4000 + 1500 * CFG.learned.memory_gib)),
        runtime=120,
        gpu=gpu(CFG.learned.devices),
        nodes=1,
    params:
        family="{locality}",
        attributes=CFG.components.attributes,
        level=level_called(CFG.learned.level),
        steps=CFG.learned.steps,
        photographs_per_step=CFG.learned.photographs_per_step,
        devices=CFG.learned.devices,
        back_faces=CFG.learned.back_faces,
        dropout=CFG.learned.dropout,
        memory_gib=CFG.learned.memory_gib,
        sh_degree=CFG.fitting.sh_degree,
        rasterizer=CFG.fitting.rasterizer,
        background=CFG.capture.background,
        seed=CFG.seed,
        device=CFG.device,
        lib=lib("learn_rig.py"),
    message:
        "Learning the {wildcards.locality} rig through the rasteriser"
    script:
        "../scripts/learn_rig.py"


rule evaluate_unseen:
    # only where the capture holds out expressions: how rigs show what nothing was learned from
    input:
        neutral=results("gaussians/neutral.h5"),
        template=results("template/template.h5"),
        cameras=results("dataset/cameras.json"),
        frames=results("frames.csv"),
        photographs=expand(results("dataset/{expression}"), expression=EXPRESSIONS),
        plates=stage_plates(),
        gaussians=expand(results("gaussians/{expression}.h5"), expression=EXPRESSIONS),
        pca=results(f"components/{FINEST}/pca_all.h5"),
        learned=learned_rig_files(),
    output:
        images=results("evaluation/images/unseen.csv"),
    log:
        logs("evaluate_unseen.log"),
    benchmark:
        benchmarks("evaluate_unseen.tsv")
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=memory(6000),
        runtime=120,
        gpu=gpu(),
    params:
        families=CFG.learned.families,
        level=FINEST,
        k=K,
        solve_steps=CFG.learned.solve_steps,
        sh_degree=CFG.fitting.sh_degree,
        rasterizer=CFG.fitting.rasterizer,
        background=CFG.capture.background,
        device=CFG.device,
        lib=lib("evaluate_unseen.py"),
    message:
        "Showing the rigs in expressions that nothing was learned from"
    script:
        "../scripts/evaluate_unseen.py"
