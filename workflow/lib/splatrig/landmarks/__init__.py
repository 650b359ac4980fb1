"""Landmarks of the face: found in photographs by a network, triangulated by the cameras, and used to check captures."""
