"""The demo capture: a CC0 head, ray traced into the raw layout of a Multiface entity."""
