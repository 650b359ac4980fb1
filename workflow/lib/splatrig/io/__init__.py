"""Files: atomic writes, HDF5, PLY, plain text, and the error class that users see."""
