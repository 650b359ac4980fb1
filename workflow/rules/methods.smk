# What is made, and what the rules about it read: methods compared, learned rigs, controls, films and files for others.

from dataclasses import replace

from splatrig.config.counts import curve_counts, sparse_pca_count
from splatrig.config.names import track_of_pose

POSE_SUFFIXES = ["ply", "spz", "glb"]

FAMILIES = {
    "pca": [*ATTRIBUTES, "all"],
    "mbspca": [*ATTRIBUTES],
    "sldc": [f"{support}_{attribute}" for support in SUPPORT_MAPS for attribute in (*ATTRIBUTES, "all")],
    "learned": ["global", "local"],
}
"""By kind the names of the families that rules make."""

SUPPORTS = list(CFG.components.sldc.supports.used)
K = CFG.components.k
SPARSE_K = sparse_pca_count(K)
KS = curve_counts(K)
"""Numbers of components: of a family, of sparse PCA, and along curves."""

try:
    check_families(CFG, {kind: [f"{kind}_{name}" for name in names] for kind, names in FAMILIES.items()})
except InputError as error:
    sys.exit(f"error: {error}")


def family_level(family):
    """The level at which a family is learned and shown."""
    return BASE if family.startswith("mbspca_") else FINEST


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
    methods += [(f"sldc_{support}_{attribute}", FINEST) for support in SUPPORTS]
    methods += [("mbspca_xyz", BASE)]
    methods += [(f"learned_{family}", FINEST) for family in CFG.learned.families]
    methods += [("upsampled_pca_all", level) for level in LEVELS[:-1]]
    return methods


COMPARED = compared()
LEARNED = [(method, level) for method, level in COMPARED if not method.startswith("upsampled_")]
# what is learned anew for the curves against k and λ, and without one expression: of the centres, whatever is compared
SWEPT = ["pca_xyz", *(f"sldc_{support}_xyz" for support in SUPPORTS), "mbspca_xyz"]
HAS_TRUTH = CFG.capture.source == "demo"


def folds():
    """The expressions that learned rigs are learned without, one at a time, spread over those that can be left out."""
    held_out = {CFG.neutral, *CFG.capture.held_out.expressions}
    candidates = [name for name in EXPRESSIONS if name not in held_out]
    count = CFG.evaluation.learned_folds if CFG.learned.families else 0
    return [candidates[index * len(candidates) // count] for index in range(count)]


FOLDS = folds()


def every_fold(path):
    """`path` for every fold, of every learned rig and of the PCA of all attributes, which is shown in the same way."""
    return expand(results(path), fold=FOLDS, method=["pca_all", *(f"learned_{name}" for name in CFG.learned.families)])


def photographs_without(wildcards):
    """The photographs and tracked meshes of all expressions but the one left out."""
    return [results(f"dataset/{name}") for name in EXPRESSIONS if name != wildcards.fold]


def start_without(wildcards):
    """The components of the tracked meshes that a rig of a fold starts from."""
    return results(f"evaluation/folds/{wildcards.fold}/{LEARNED_START[wildcards.locality]}.h5")


def sweep_ks(method):
    """The numbers of components at which a method is learned anew; sparse PCA, being slow, up to its own."""
    return [k for k in KS if k <= SPARSE_K or not method.startswith("mbspca_")]


def left_out_ks(method):
    """Those of them at which it is also learned without one expression at a time; of sparse PCA the two largest."""
    ks = sweep_ks(method)
    return ks[-2:] if method.startswith("mbspca_") else ks


def swept_support(wildcards):
    """The support map of a method of sparse localized components; None for other methods."""
    return wildcards.method.split("_")[1] if wildcards.method.startswith("sldc_") else None


def pictured():
    """The families whose components are pictured; of learned rigs those that are made."""
    absent = {f"learned_{family}" for family in ("global", "local")} - {method for method, _ in COMPARED}
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
    fits = [benchmarks(f"fit_expression/{name}.tsv") for name in EXPRESSIONS]
    jobs = [{"method": "fits", "level": FINEST, "k": 0, "benchmarks": fits}]
    for method, level in COMPARED:
        family, _, rest = method.partition("_")
        job = {
            "upsampled": f"upsample_pca/{level}",
            "learned": f"learn_rig/{rest}",
            "sldc": f"compute_sldc/{rest.partition('_')[2]}/{level}/{rest.partition('_')[0]}",
        }.get(family, f"compute_{family}/{rest}/{level}")
        k = SPARSE_K if family == "mbspca" else K
        jobs.append({"method": method, "level": level, "k": k, "benchmarks": [benchmarks(f"{job}.tsv")]})
    return jobs


def figure(name, category, content):
    """A figure of the report."""
    return report(
        results(f"evaluation/figures/{name}.png"),
        caption=f"../report/{name}.rst",
        category=category,
        labels={"content": content},
    )


LEARNED_START = {"global": "mesh_pca", "local": "mesh_sldc"}
"""By family the components of the tracked meshes that learned rigs start from."""


def learned_start(wildcards):
    """The component file that a learned rig starts from."""
    return results(f"components/base/{LEARNED_START[wildcards.locality]}.h5")


def learned_rig_files():
    """The component files of the learned rigs."""
    return expand(results(f"components/{FINEST}/learned_{{family}}.h5"), family=CFG.learned.families)


def control_files():
    """What a complete run makes for control: per family its panel, and tracks of all frames and asked-for segments."""
    tracks = ["tour", *EXPRESSIONS, *(f"mesh/{segment}" for segment in CFG.control.segments)]
    return expand(results("control/panels/{family}.json"), family=CFG.control.families) + expand(
        results("control/tracks/{family}/{track}.csv"), family=CFG.control.families, track=tracks
    )


def control_inputs():
    """What every rule about a family's weights reads."""
    return {
        "components": component_file,
        "neutral": results("gaussians/neutral.h5"),
        "template": results("template/template.h5"),
        "panel": results("control/panels/{family}.json"),
    }


def of_every_family(pattern):
    """A file of control for each family that moves the head together."""
    return expand(results(pattern), family=CFG.control.families)


def web_head():
    """The web head, if it is wanted: it needs the npm registry once."""
    return [results("control/head.html")] if CFG.control.web_head else []


def video_files():
    """The films of a complete run."""
    return expand(
        results("video/{family}/{track}.{suffix}"),
        family=CFG.video.family,
        track=CFG.video.tracks,
        suffix=["mp4", "gif"],
    )


def export_files():
    """The files for other programs of a complete run."""
    return expand(
        results("export/{family}/{name}"),
        family=CFG.export.family,
        name=["head.glb", "rig.safetensors", "fidelity.csv"],
    )


def tour_of_family(wildcards):
    """The track through all expressions of a family."""
    return results(f"control/tracks/{wildcards.family}/tour.csv")


def track_of_named_pose(wildcards):
    """The track that a pose is a moment of, if it is one."""
    track = track_of_pose(wildcards.pose, EXPRESSIONS)
    return [results(f"control/tracks/{wildcards.family}/{track}.csv")] if track else []


def exported_poses(wildcards):
    """All files of the poses of a complete run."""
    return expand(
        results("export/{family}/poses/{pose}.{suffix}"),
        family=wildcards.family,
        pose=CFG.export.poses,
        suffix=POSE_SUFFIXES,
    )


def tracks_of_exported_poses(wildcards):
    """The tracks that the poses of a complete run are moments of."""
    tracks = [track_of_pose(pose, EXPRESSIONS) for pose in CFG.export.poses]
    return [results(f"control/tracks/{wildcards.family}/{track}.csv") for track in tracks if track]


wildcard_constraints:
    method=f"(upsampled_)?({'|'.join(FAMILIES)})_[a-z_]+",
    fold="[A-Za-z0-9][A-Za-z0-9_.-]*",
    family=f"({'|'.join(FAMILIES)})_[a-z_]+",
