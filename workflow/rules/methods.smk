# Which methods are pictured and compared, at which level, and how their figures enter the report.


def family_level(family):
    """The level at which a family is learned and shown."""
    return CFG.components.mbspca.level if family.startswith("mbspca_") else FINEST


def component_file(wildcards):
    """The component file of a family at its level."""
    return results(f"components/{family_level(wildcards.family)}/{wildcards.family}.h5")


def compared():
    """The methods side by side, as (method, level): the original's four, sparse PCA, and carried-up coarse PCA."""
    attribute = CFG.components.sldc.attribute
    methods = [("pca_all", FINEST), (f"pca_{attribute}", FINEST)]
    methods += [(f"sldc_{support}_{attribute}", FINEST) for support in CFG.components.sldc.supports]
    methods += [(f"mbspca_{attribute}", CFG.components.mbspca.level)]
    methods += [("upsampled_pca_all", level) for level in CFG.components.upsample]
    return methods


COMPARED = compared()
LEARNED = [(method, level) for method, level in COMPARED if not method.startswith("upsampled_")]
SWEPT = [method for method, _ in LEARNED if method.endswith("_xyz")]
HAS_TRUTH = CFG.capture.source == "demo"


def sweep_ks(method):
    """The numbers of components at which a method is learned anew; sparse PCA, being slow, up to its own."""
    return [k for k in CFG.evaluation.ks if k <= CFG.components.mbspca.k or not method.startswith("mbspca_")]


def evaluated_level(wildcards):
    """The level whose frames a method rebuilds: its own, or the finest once it was carried up."""
    return FINEST if wildcards.method.startswith("upsampled_") else wildcards.level


def per_method(path):
    """`path` for every method and level that are compared."""
    return [results(path).format(method=method, level=level) for method, level in COMPARED]


def per_pictured_method(path):
    """`path` for the methods whose components move every Gaussian of the finest level."""
    return [
        results(path).format(method=method, level=level)
        for method, level in COMPARED
        if level == FINEST or method.startswith("upsampled_")
    ]


def figure(name, category, content):
    """A figure of the report."""
    return report(
        results(f"evaluation/figures/{name}.png"),
        caption=f"../report/{name}.rst",
        category=category,
        labels={"content": content},
    )


wildcard_constraints:
    method="(upsampled_)?(pca|mbspca|sldc_gauss|sldc_trapezoid|joint)_[a-z_]+",
    family="(pca|mbspca|sldc_gauss|sldc_trapezoid|joint)_[a-z_]+",
