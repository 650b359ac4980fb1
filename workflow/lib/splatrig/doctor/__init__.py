"""The doctor of a capture: all photographs of all cameras against the tracked meshes, before anything is fitted."""
