"""The Gaussians value type, its axes and spherical harmonics, and the files that hold it."""
