"""The rasterizers that `fitting.rasterizer` may name; this table imports none of them.

To add one: write a module with `render(splats: Splats, views: Views) -> (images [C, H, W, 3], alphas [C, H, W, 1])`,
differentiable with respect to the Gaussians and backgrounds, and add a row to `BACKENDS`. Without `batched` in its row
it gets Gaussians and cameras without leading axes. Modules are imported when they are first used, so a row may need
packages that this machine lacks.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Backend:
    """One rasterizer."""

    module: str
    """Module that has `render`."""
    package: str
    """The import it needs."""
    device: str
    """Where its tensors live: cpu or cuda."""
    install: str
    """What to do when `package` is missing."""
    batched: bool = False
    """Whether `render` takes leading axes; otherwise it is called for one pose after the other."""


BACKENDS = {
    "numba": Backend("splatrig.rasterize.numba_backend", "numba", "cpu", "pip install numba"),
    "gsplat": Backend(
        "splatrig.rasterize.gsplat_backend",
        "gsplat",
        "cuda",
        "pip install gsplat==1.5.3 packaging, beside a CUDA build of torch; its first use compiles it with nvcc",
        batched=True,
    ),
    "diff_gaussian_rasterization": Backend(
        "splatrig.rasterize.inria_backend",
        "diff_gaussian_rasterization",
        "cuda",
        "pip install --no-build-isolation git+https://github.com/graphdeco-inria/diff-gaussian-rasterization, beside a "
        "CUDA build of torch, with nvcc (its license allows research only)",
    ),
}
"""Name of the back end (`fitting.rasterizer` of the config) to what it is."""
