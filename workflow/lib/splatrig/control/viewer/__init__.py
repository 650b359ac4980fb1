"""The live viewer: the head as Gaussian splats in a browser, posed by sliders, presets, tracks and dragged points."""
