"""Files that other programs open: poses, the head with morph targets, rigs as plain arrays."""
