# Files from the network that are the same for every subject.


rule retrieve_head:
    output:
        head=MAKEHUMAN,
        license="resources/retrieved/makehuman_LICENSE.md",
    conda:
        "../../envs/capture.yaml"
    message:
        "Retrieving the CC0 MakeHuman head and its ARKit face units"
    script:
        "../scripts/retrieve_head.py"


rule retrieve_face_networks:
    output:
        **FACE_NETWORKS,
        iris=IRIS_NETWORK,
        license=NETWORKS_LICENSE,
    conda:
        "../../envs/capture.yaml"
    message:
        "Retrieving the networks that detect faces and eyes"
    script:
        "../scripts/retrieve_face_networks.py"


rule retrieve_renderer:
    input:
        lock=str(WEB / "package-lock.json"),
    output:
        archive=RENDERER,
    conda:
        "../../envs/control.yaml"
    message:
        "Retrieving three.js and Spark, which render the web head"
    script:
        "../scripts/retrieve_renderer.py"


rule retrieve_litert:
    input:
        lock=str(WEB / "package-lock.json"),
    output:
        archive=LITERT,
    conda:
        "../../envs/control.yaml"
    message:
        "Retrieving LiteRT.js, which runs networks in the web head"
    script:
        "../scripts/retrieve_litert.py"
