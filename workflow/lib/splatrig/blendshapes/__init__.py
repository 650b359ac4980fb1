"""ARKit's blendshapes for any head: their names, a template that has them, and their transfer to a tracked mesh."""
