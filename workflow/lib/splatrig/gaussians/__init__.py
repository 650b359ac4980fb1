"""The Gaussians value type, its activations, and the files that hold it."""
