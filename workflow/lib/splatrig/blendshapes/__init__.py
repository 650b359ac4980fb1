"""ARKit's blendshapes for any head: their names, a template that has them, and how they get onto a tracked mesh."""
