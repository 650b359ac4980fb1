"""Landmarks of the face: found by a network in photographs, placed in space by calibrated cameras, and what they tell."""
