"""What people call the methods and families: one table for figures, tables, sliders and pages."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Label:
    """The two names of a method, which is named by its component file."""

    in_figures: str
    """Beside the curves and rows of the evaluation: tells methods apart."""
    on_pages: str = ""
    """Above the sliders of a family: says what it is for. Empty: the name of the component file, in words."""


LABELS = {
    "pca_all": Label("global (PCA)", "global, PCA"),
    "pca_xyz": Label("COG-PCA"),
    "sldc_gauss_xyz": Label("local (Gaussian SLDC)", "local, SLDC"),
    "sldc_trapezoid_xyz": Label("T-SLDC", "local, T-SLDC"),
    "mbspca_xyz": Label("MBSPCA"),
    "upsampled_pca_all": Label("PCA, carried up"),
    "learned_arkit": Label("learned ARKit", "ARKit, learned"),
    "learned_global": Label("learned global", "global, learned"),
    "learned_local": Label("learned local", "local, learned"),
    "fits": Label("frames fitted one by one"),
}


def label_of(method: str) -> str:
    """Return what figures and tables call a method: `COG-PCA` for pca_xyz."""
    return LABELS[method].in_figures if method in LABELS else _words(method)


def title_of(family: str) -> str:
    """Return what sliders and pages call a family: `global, learned` for learned_global."""
    return (family in LABELS and LABELS[family].on_pages) or _words(family)


def _words(name: str) -> str:
    return name.replace("_", " ")
