"""Files for other programs: poses, the head with morph targets, rigs as plain arrays."""
