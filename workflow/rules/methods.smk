# Which methods are pictured and compared, at which level, and how their figures enter the report.


def family_level(family):
    """The level at which a family is learned and shown."""
    return CFG.components.mbspca.level if family.startswith("mbspca_") else FINEST


def component_file(wildcards):
    """The component file of a family at its level."""
    return results(f"components/{family_level(wildcards.family)}/{wildcards.family}.h5")


def compared():
    """The methods side by side, as (method, level).

    The original's four, sparse PCA, rigs learned through the rasteriser, and coarse PCA carried up. Local components are
    those of the centres, or of all attributes with one locality; of another attribute they are made, and not compared.
    """
    attribute = "all" if CFG.components.sldc.attribute == "all" else "xyz"  # tables need centres
    methods = [("pca_all", FINEST), ("pca_xyz", FINEST)]
    methods += [(f"sldc_{support}_{attribute}", FINEST) for support in CFG.components.sldc.supports]
    methods += [("mbspca_xyz", CFG.components.mbspca.level)]
    methods += [(f"joint_{family}", FINEST) for family in CFG.joint.families]
    methods += [("upsampled_pca_all", level) for level in CFG.components.upsample]
    return methods


COMPARED = compared()
LEARNED = [(method, level) for method, level in COMPARED if not method.startswith("upsampled_")]
# what is learned anew for the curves against k and λ, and without one expression: of the centres, whatever is compared
SWEPT = ["pca_xyz", *(f"sldc_{support}_xyz" for support in CFG.components.sldc.supports), "mbspca_xyz"]
HAS_TRUTH = CFG.capture.source == "demo"
# how a picture is made; it does not depend on which families are pictured
RENDERING = to_mapping(replace(CFG.rendering, families=[]))


def folds():
    """The expressions that learned rigs are learned without, one at a time, spread over those that can be left out."""
    held_out = {CFG.capture.neutral, *CFG.capture.held_out.expressions}
    candidates = [name for name in EXPRESSIONS if name not in held_out]
    count = CFG.evaluation.joint_folds if CFG.joint.families else 0
    return [candidates[index * len(candidates) // count] for index in range(count)]


FOLDS = folds()


def every_fold(path):
    """`path` for every fold, of every learned rig and of the joint PCA, which is shown in the same way."""
    return expand(results(path), fold=FOLDS, method=["pca_all", *(f"joint_{name}" for name in CFG.joint.families)])


def photographs_without(wildcards):
    """The photographs and tracked meshes of all expressions but the one left out."""
    return [results(f"dataset/{name}") for name in EXPRESSIONS if name != wildcards.fold]


def start_without(wildcards):
    """The components of the tracked meshes that a rig of a fold starts from; none for a random start."""
    name = JOINT_START.get(wildcards.family)
    return [results(f"evaluation/folds/{wildcards.fold}/{name}.h5")] if name else []


def sweep_ks(method):
    """The numbers of components at which a method is learned anew; sparse PCA, being slow, up to its own."""
    return [k for k in CFG.evaluation.ks if k <= CFG.components.mbspca.k or not method.startswith("mbspca_")]


def left_out_ks(method):
    """Those of them at which it is also learned without one expression at a time; of sparse PCA the two largest."""
    ks = sorted(sweep_ks(method))
    return ks[-2:] if method.startswith("mbspca_") else ks


def swept_section(method, family):
    """What learning a method anew takes from the configuration of its family; nothing from another family."""
    if not method.startswith(f"{family}_"):
        return {}
    return sldc_with(method.split("_")[1]) if family == "sldc" else to_mapping(getattr(CFG.components, family))


def pictured():
    """The families whose components are pictured; of learned rigs those that are made."""
    absent = {f"joint_{family}" for family in ("global", "local")} - {method for method, _ in COMPARED}
    return [family for family in CFG.rendering.families if family not in absent]


def evaluated_level(wildcards):
    """The level whose frames a method rebuilds: its own, or the finest once it was carried up."""
    return FINEST if wildcards.method.startswith("upsampled_") else wildcards.level


def per_method(path):
    """`path` for every method and level that are compared."""
    return [results(path).format(method=method, level=level) for method, level in COMPARED]


def pictures_compared():
    """The tables of rendered reconstructions: of every method, of left-out expressions, of held-out expressions."""
    tables = per_method("evaluation/images/{level}/{method}.csv")
    tables += expand(results("evaluation/images/left_out/{method}.csv"), method=SWEPT)
    tables += every_fold("evaluation/images/folds/{fold}/{method}.csv")
    return tables + ([results("evaluation/images/unseen.csv")] if CFG.capture.held_out.expressions else [])


def learning_jobs():
    """Method, level, k and the benchmarks of the jobs that make it: what its run time is read from."""
    components, joint = CFG.components, CFG.joint
    sizes = {"pca": components.pca.k, "mbspca": components.mbspca.k, "sldc": components.sldc.k, "joint": joint.k}
    jobs = [{"method": "fits", "level": FINEST, "k": 0, "benchmarks": expand("fit/{name}.tsv", name=EXPRESSIONS)}]
    for method, level in COMPARED:
        family, _, rest = method.partition("_")
        name = {"upsampled": f"upsampling/{level}.tsv", "joint": f"joint/{rest}.tsv"}.get(
            family, f"{family}/{level}_{rest}.tsv"
        )
        jobs += [{"method": method, "level": level, "k": sizes.get(family, sizes["pca"]), "benchmarks": [name]}]
    return [{**job, "benchmarks": [benchmarks(name) for name in job["benchmarks"]]} for job in jobs]


def figure(name, category, content):
    """A figure of the report."""
    return report(
        results(f"evaluation/figures/{name}.png"),
        caption=f"../report/{name}.rst",
        category=category,
        labels={"content": content},
    )


wildcard_constraints:
    method="(upsampled_)?(pca|mbspca|sldc|joint)_[a-z_]+",
    fold="[A-Za-z0-9][A-Za-z0-9_.-]*",
    family="(pca|mbspca|sldc|joint)_[a-z_]+",
