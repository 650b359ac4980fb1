"""Files from the network that are the same for every subject; `retrieve.smk` makes them."""

FOLDER = "resources/retrieved"

MAKEHUMAN = f"{FOLDER}/makehuman_head.npz"
"""The CC0 head: the demo's, and the template of ARKit's blendshapes."""
FACE_NETWORKS = {
    "detector": f"{FOLDER}/face_detection_short_range.tflite",
    "mesh": f"{FOLDER}/face_landmark.tflite",
}
"""Networks that find faces and their points in photographs."""
IRIS_NETWORK = f"{FOLDER}/iris_landmark.tflite"
"""Network that finds lids and irises around an eye."""
NETWORKS_LICENSE = f"{FOLDER}/mediapipe_LICENSE.txt"
"""License of these networks."""
SEGMENTATION_NETWORK = f"{FOLDER}/selfie_segmentation.tflite"
"""Network that separates people from the background."""
RENDERER = f"{FOLDER}/web_renderer.zip"
"""Archive of three.js and Spark, which render the web head."""
LITERT = f"{FOLDER}/litert.zip"
"""Archive of LiteRT.js, which runs networks in the web head."""
