# Files from the network that are the same for every subject.

from splatrig.rules import retrieved

PACKAGES = local(from_here(ROOT / "workflow" / "web" / "package-lock.json"))
"""Versions and digests of what is retrieved from npm."""

environment("capture")


rule retrieve_head:
    """Retrieve the CC0 MakeHuman head and its ARKit face units."""
    output:
        head=retrieved.MAKEHUMAN,
        license=f"{retrieved.FOLDER}/makehuman_LICENSE.md",
    script:
        "../scripts/retrieve_head.py"


rule retrieve_face_networks:
    """Retrieve the networks that detect faces and eyes."""
    output:
        **retrieved.FACE_NETWORKS,
        iris=retrieved.IRIS_NETWORK,
        license=retrieved.NETWORKS_LICENSE,
    script:
        "../scripts/retrieve_face_networks.py"


rule retrieve_segmentation_network:
    """Retrieve the network that separates people from the background."""
    output:
        network=retrieved.SEGMENTATION_NETWORK,
        license="resources/retrieved/selfie_segmentation_LICENSE.txt",
    script:
        "../scripts/retrieve_segmentation_network.py"


environment("control")


rule retrieve_renderer:
    """Retrieve three.js and Spark, which render the web head."""
    input:
        lock=PACKAGES,
    output:
        archive=retrieved.RENDERER,
    script:
        "../scripts/retrieve_renderer.py"


rule retrieve_litert:
    """Retrieve LiteRT.js, which runs networks in the web head."""
    input:
        lock=PACKAGES,
    output:
        archive=retrieved.LITERT,
    script:
        "../scripts/retrieve_litert.py"
