"""The doctor of a capture compares all photographs with the tracked meshes before anything is fitted."""
