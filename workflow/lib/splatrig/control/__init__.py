"""Pose and animate: tracks of weights, retargeting, dragging points, the live viewer, the web head."""
