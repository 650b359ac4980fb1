"""Multi-view captures in the Multiface layout, and the demo capture."""
