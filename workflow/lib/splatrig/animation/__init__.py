"""Images and films of a rig, heat maps, contact sheets."""
