"""Deformation components of fitted frames (PCA, sparse PCA, SLDC, upsampling), and the rig that they make."""
