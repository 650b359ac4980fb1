"""One rasterisation function, several back ends."""
