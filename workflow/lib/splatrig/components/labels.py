"""Readable names of methods and families: one table for figures, tables, sliders and pages."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Label:
    """Readable names of a method, which is identified by the name of its component file."""

    in_figures: str
    """Name in figures and tables of the evaluation; distinguishes the methods."""
    on_pages: str = ""
    """Title above the sliders of a family; says what the family is for. Empty: the name of the component file, in
    words."""


LABELS = {
    "pca_all": Label("global (PCA)", "global, PCA"),
    "pca_xyz": Label("COG-PCA"),
    "sldc_gauss_xyz": Label("local (Gaussian SLDC)", "local, SLDC"),
    "sldc_trapezoid_xyz": Label("T-SLDC", "local, T-SLDC"),
    "mbspca_xyz": Label("MBSPCA"),
    "upsampled_pca_all": Label("PCA, upsampled"),
    "learned_arkit": Label("learned ARKit", "ARKit, learned"),
    "learned_global": Label("learned global", "global, learned"),
    "learned_local": Label("learned local", "local, learned"),
    "fits": Label("frames fitted one by one"),
}


def label_of(method: str) -> str:
    """Return the name of a method in figures and tables, such as `COG-PCA` for pca_xyz."""
    return LABELS[method].in_figures if method in LABELS else _words(method)


def title_of(family: str) -> str:
    """Return the title of a family on sliders and pages, such as `global, learned` for learned_global."""
    return (family in LABELS and LABELS[family].on_pages) or _words(family)


def _words(name: str) -> str:
    return name.replace("_", " ")
