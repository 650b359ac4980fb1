# The doctor of a capture: all photographs of all cameras against the tracked meshes. Fits wait for it.


rule capture_report:
    # on request, too (snakemake capture_report): what cannot be right is then said and does not end the run
    input:
        cameras=results("dataset/cameras.json"),
        frames=results("frames.csv"),
        datasets=expand(results("dataset/{expression}"), expression=EXPRESSIONS),
        check=results("landmarks/check.json"),
    output:
        page=reported("capture_report.html", "capture_report", "6 Capture", page="what the doctor says"),
        verdicts=results("capture_report.json"),
    conda:
        "../../envs/capture.yaml"
    threads: 2
    resources:
        mem_mb=memory(3000),
        runtime=60,
    params:
        subject=CFG.subject,
        background=CFG.capture.background,
    message:
        "Compare all photographs with the tracked meshes"
    script:
        "../scripts/capture_report.py"


rule admit_capture:
    input:
        examination=results("{examination}.json"),
    output:
        admitted=touch(results("{examination}.admitted")),
    wildcard_constraints:
        examination="capture_report|landmarks/check",
    conda:
        "../../envs/capture.yaml"
    params:
        doctor=CFG.capture.doctor,
    message:
        "See that {input.examination} has nothing that cannot be right"
    script:
        "../scripts/admit_capture.py"
