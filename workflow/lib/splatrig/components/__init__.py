"""Deformation components of fitted frames: PCA, sparse PCA, SLDC, upsampling."""
