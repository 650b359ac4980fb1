"""Files: atomic writes, HDF5, PLY, plain text, and the error that users read."""
