# The doctor of a capture: all photographs of all cameras against the tracked meshes. Fits wait for it.

environment("capture")


rule capture_report:
    """Compare all photographs with the tracked meshes.

    On request, too (snakemake capture_report): what cannot be right is then said and does not end the run.
    """
    input:
        **files("cameras", "frames"),
        datasets=each("dataset/{expression}"),
        check=results("landmarks/check.json"),
    output:
        page=reported("capture_report.html", "capture_report", "6 Capture", page="what the doctor says"),
        verdicts=results("capture_report.json"),
    threads: threads_of_large(2)
    params:
        **configured("subject", "capture.background"),
    script:
        "../scripts/capture_report.py"


rule admit_capture:
    """See that {input.examination} has nothing that cannot be right."""
    input:
        examination=results("{examination}.json"),
    output:
        admitted=touch(results("{examination}.admitted")),
    params:
        **configured("capture.doctor"),
    script:
        "../scripts/admit_capture.py"
