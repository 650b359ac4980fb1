"""Table of the rasterizers that `fitting.rasterizer` may name; none is imported here.

To add one, write a module with `render(splats: Splats, views: Views) -> (images [C, H, W, 3], alphas [C, H, W, 1])`,
differentiable with respect to the Gaussians and backgrounds, and add a row to `BACKENDS`. Unless its row says
`batched`, it gets Gaussians and cameras without leading axes. Modules are imported on first use, so a row may need
packages that this machine lacks.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Backend:
    """One rasterizer back end."""

    module: str
    """Module with the function `render`."""
    package: str
    """Package that the module imports."""
    device: str
    """Device of its tensors: cpu or cuda."""
    install: str
    """Installation advice for when `package` is missing."""
    batched: bool = False
    """Whether `render` supports leading axes; otherwise it is called once per pose."""


BACKENDS = {
    "numba": Backend("splatrig.rasterize.numba_backend", "numba", "cpu", "pip install numba"),
    "gsplat": Backend(
        "splatrig.rasterize.gsplat_backend",
        "gsplat",
        "cuda",
        "pip install gsplat==1.5.3 packaging, with a CUDA build of torch; its first use compiles it with nvcc",
        batched=True,
    ),
    "diff_gaussian_rasterization": Backend(
        "splatrig.rasterize.inria_backend",
        "diff_gaussian_rasterization",
        "cuda",
        "pip install --no-build-isolation git+https://github.com/graphdeco-inria/diff-gaussian-rasterization, with a "
        "CUDA build of torch and nvcc (its license allows research only)",
    ),
}
"""Back ends by name (`fitting.rasterizer` of the configuration)."""
