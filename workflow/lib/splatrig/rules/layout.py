"""Paths of the files that rules read and make, as the configuration determines them before a run."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snakemake.io import local

from splatrig.config import names
from splatrig.config.models import Config
from splatrig.evaluation import plan
from splatrig.rules.report import reported

Paths = str | list[str]
Wildcards = Any
"""Snakemake's wildcards of one job, by attribute."""

SHARED = {
    "calibration": "dataset/calibration.json",
    "cameras": "dataset/cameras.json",
    "fit": "evaluation/fit.csv",
    "frames": "frames.csv",
    "landmarks": "landmarks/landmarks.csv",
    "methods": "evaluation/methods.csv",
    "neutral": "gaussians/neutral.h5",
    "panel": "control/panels/{family}.json",
    "regions": "regions",
    "sweeps": "evaluation/sweeps.csv",
    "template": "template/template.h5",
    "track": "control/tracks/{family}/{track}.csv",
}
"""Results that several rules read, by the name that they have among the inputs of each."""


@dataclass(frozen=True)
class Layout:
    """Files of one subject: their paths, and those that a run makes."""

    config: Config
    expressions: Sequence[str]
    in_cohort: bool = False
    """Whether other subjects are in the same graph, so that reports name this one."""

    @property
    def subject(self) -> str:
        """Name of the subject, after which its folder of results is named."""
        return str(self.config.subject)

    @property
    def levels(self) -> list[str]:
        """Names of the subdivision levels, coarsest first."""
        return names.level_names(self.config.mesh.subdivisions)

    @property
    def finest(self) -> str:
        """Name of the finest subdivision level."""
        return self.levels[-1]

    def level(self, name: str) -> str:
        """Return the level that a user names, `finest` among them."""
        return self.finest if name == "finest" else name

    @property
    def compared(self) -> list[plan.Method]:
        """Methods that are compared, each with its level."""
        return plan.compared(self.config, self.levels)

    @property
    def folds(self) -> list[str]:
        """Expressions that learned rigs are learned without, one at a time."""
        return plan.folds(self.config, self.expressions)

    def results(self, path: str) -> str:
        """Return a path in the results of this subject."""
        return f"results/{self.subject}/{path}"

    def logs(self, path: str) -> str:
        """Return the path of a log."""
        return f"logs/{self.subject}/{path}"

    def capture(self, path: str) -> str:
        """Return a path in the raw capture; of photographs alone, in what is made of them."""
        made_here = self.config.capture.source == "photographs"
        return self.results(f"capture/{path}") if made_here else f"{self.config.capture.root}/{path}"

    def files(self, *shared: str) -> dict[str, str]:
        """Return results of `SHARED` by name, as inputs of a rule."""
        return {name: self.results(SHARED[name]) for name in shared}

    def taken_of(self, expression: str) -> dict[str, Paths]:
        """Return the photographs of an expression, with cameras and plates, as inputs of a rule."""
        return {
            **self.files("cameras"),
            "photographs": self.results(f"dataset/{expression}"),
            "plates": self.plates(),
        }

    def each(self, path: str) -> list[str]:
        """Return a result for each expression, which `path` names `{expression}`; other wildcards stay."""
        return [self.results(path.replace("{expression}", name)) for name in self.expressions]

    def reported(self, path: str, caption: str, category: str, **labels: str) -> Any:
        """Return a result that the report shows, with a caption of workflow/report."""
        subject = {"subject": self.subject} if self.in_cohort else {}
        return reported(self.results(path), caption, category, **subject, **labels)

    def figure(self, name: str, category: str, content: str, caption: str | None = None) -> Any:
        """Return a figure that the report shows; its caption has its name if no other is given."""
        return self.reported(f"evaluation/figures/{name}.png", caption or name, category, content=content)

    def only_of_demo(self, **files: str) -> dict[str, str]:
        """Return inputs or outputs that only the demo has, whose true weights are known."""
        return files if self.config.capture.source == "demo" else {}

    def plates(self) -> list[str]:
        """Return the images of the empty stage, where mattes and backgrounds come from them."""
        return [self.results("dataset_plates")] if self.config.capture.background == "plate" else []

    def photographs(
        self, expressions: Iterable[str] | Callable[..., Paths], frames: str = "frames.csv"
    ) -> dict[str, Any]:
        """Return what every rule reads that compares renderings with photographs of some expressions.

        The expressions are a list, or an input function that returns their folders.
        """
        folders = expressions if callable(expressions) else [self.results(f"dataset/{name}") for name in expressions]
        return {
            **self.files("neutral", "template", "cameras"),
            "frames": self.results(frames),
            "photographs": folders,
            "plates": self.plates(),
        }

    def photographs_without(self, wildcards: Wildcards) -> list[str]:
        """Return the photographs and tracked meshes of all expressions except the left-out one."""
        return [self.results(f"dataset/{name}") for name in self.expressions if name != wildcards.fold]

    def named_units(self) -> dict[str, Any]:
        """Return the file of known face units that components are named after, as an input, if there is one."""
        units = self.config.components.units
        if units != "auto":
            return {} if units is None else {"units": local(units)}
        arkit = "arkit" in self.config.learned.families
        blendshapes = {"units": self.results("blendshapes/arkit.npz")} if arkit else {}
        return self.only_of_demo(units=self.capture("truth.csv")) or blendshapes

    def known_weights(self, wildcards: Wildcards) -> list[str]:
        """Return the true weights, which drive a rig whose components have the names of the demo's face units."""
        known = self.only_of_demo(weights=self.capture("truth.csv"))
        return list(known.values()) if wildcards.method == "learned_arkit" else []

    def for_arkit(self, path: str) -> Callable[[Wildcards], list[str]]:
        """Return an input function: a file that the components of the tracked meshes under ARKit's names alone need."""
        return lambda wildcards: [path] if wildcards.algorithm == "arkit" else []

    def if_free(self, path: str) -> list[str]:
        """Return a file that rigs need for their free Gaussians, where the configuration wants them."""
        return [self.results(path)] if self.config.learned.free else []

    def family_level(self, family: str) -> str:
        """Return the level at which a family is learned and shown."""
        return plan.BASE if family.startswith("mbspca_") else self.finest

    def component_file(self, wildcards: Wildcards) -> str:
        """Return the component file of a family at its level."""
        return self.results(f"components/{self.family_level(wildcards.family)}/{wildcards.family}.h5")

    def source_component_file(self, wildcards: Wildcards) -> str:
        """Return the component file of another subject's family, whose track is retargeted."""
        family = wildcards.source_family
        return f"results/{wildcards.source}/components/{self.family_level(family)}/{family}.h5"

    def learned_rigs(self) -> list[str]:
        """Return the component files of the learned rigs."""
        return [
            self.results(f"components/{self.finest}/learned_{family}.h5") for family in self.config.learned.families
        ]

    def self_found(self) -> list[plan.Method]:
        """Return the compared methods without upsampled components of a coarser level."""
        return [(method, level) for method, level in self.compared if not method.startswith("upsampled_")]

    def of_methods(self, path: str, methods: Iterable[plan.Method]) -> list[str]:
        """Return a file for each method, which `path` names `{level}` and `{method}`."""
        return [self.results(path.format(level=level, method=method)) for method, level in methods]

    def rows_of_method(self, wildcards: Wildcards) -> str:
        """Return the attributes of the level that a method acts on: the finest, of upsampled components."""
        upsampled = wildcards.method.startswith("upsampled_")
        return self.results(f"attributes/{self.finest if upsampled else wildcards.level}.h5")

    def of_swept(self, path: str) -> list[str]:
        """Return a file for each method that is learned again, which `path` names `{method}`."""
        return [self.results(path.format(method=method)) for method in plan.swept(self.config)]

    def every_fold(self, path: str) -> list[str]:
        """Return a file for every fold of every learned rig and of the PCA of all attributes, shown in the same way."""
        methods = ["pca_all", *(f"learned_{name}" for name in self.config.learned.families)]
        return [self.results(path.format(fold=fold, method=method)) for fold in self.folds for method in methods]

    def image_tables(self) -> list[str]:
        """Return the tables of rendered reconstructions: of every method, of left-out and of held-out expressions."""
        unseen = [self.results("evaluation/images/unseen.csv")] if self.config.capture.held_out.expressions else []
        return [
            *self.of_methods("evaluation/images/{level}/{method}.csv", self.compared),
            *self.of_swept("evaluation/images/left_out/{method}.csv"),
            *self.every_fold("evaluation/images/folds/{fold}/{method}.csv"),
            *unseen,
        ]

    def learning_jobs(self) -> list[dict[str, Any]]:
        """Return method, level, k and the benchmarks of the jobs that make it: what its run time is read from."""
        fits = [self.logs(f"benchmarks/fit_expression/{name}.tsv") for name in self.expressions]
        jobs: list[dict[str, Any]] = [{"method": "fits", "level": self.finest, "k": 0, "benchmarks": fits}]
        for method, level in self.compared:
            family, _, rest = method.partition("_")
            job = {
                "upsampled": f"upsample_pca/{level}",
                "learned": f"learn_rig/{rest}",
                "sldc": f"compute_sldc/{rest.partition('_')[2]}/{level}/{rest.partition('_')[0]}",
            }.get(family, f"compute_{family}/{rest}/{level}")
            k = self.config.components.k
            k = plan.sparse_pca_count(k) if family == "mbspca" else k
            jobs.append({"method": method, "level": level, "k": k, "benchmarks": [self.logs(f"benchmarks/{job}.tsv")]})
        return jobs

    def learning_benchmarks(self) -> list[str]:
        """Return the benchmarks of the jobs that make the methods."""
        return [path for job in self.learning_jobs() for path in job["benchmarks"]]

    def of_control(self, path: str) -> list[str]:
        """Return a file for each family that moves the head, which `path` names `{family}`."""
        return [self.results(path.format(family=family)) for family in self.config.control.families or []]

    def control_tracks(self, tracks: Sequence[str]) -> list[str]:
        """Return tracks of each family that moves the head, by family."""
        folders = self.of_control("control/tracks/{family}")
        return [f"{folder}/{track}.csv" for folder in folders for track in tracks]

    def driving_file(self, wildcards: Wildcards) -> Any:
        """Return the file of weights that drives a head: a CSV, or a JSON where there is none."""
        csv, json = (f"resources/driving/{wildcards.performance}.{suffix}" for suffix in ("csv", "json"))
        return local(json if Path(json).is_file() and not Path(csv).is_file() else csv)

    def driving_settings(self, wildcards: Wildcards) -> list[Any]:
        """Return the settings of a driving file, which it may have."""
        path = f"resources/driving/{wildcards.performance}.yaml"
        return [local(path)] if Path(path).is_file() else []

    def tracks_of_poses(self, poses: Iterable[str], family: str) -> list[str]:
        """Return the tracks that exported poses are moments of; other poses need none."""
        tracks = (names.track_of_pose(pose, self.expressions) for pose in poses)
        return [self.results(f"control/tracks/{family}/{track}.csv") for track in tracks if track]

    def exported_poses(self, wildcards: Wildcards) -> list[str]:
        """Return all files of the poses of a complete run."""
        folder = self.results(f"export/{wildcards.family}/poses")
        return [f"{folder}/{pose}.{suffix}" for pose in self.config.export.poses for suffix in ("ply", "spz", "glb")]

    def targets(self) -> list[str]:
        """Return the targets of a complete run; all other files are made on the way to these, or on request."""
        config, finest = self.config, self.finest
        attributes = config.components.attributes
        shown, exported = f"video/{config.video.family}", f"export/{config.export.family}"
        sldc = config.components.sldc
        arkit = "arkit" in config.learned.families
        pages = ["head.html", *(["head_webcam.html"] if "learned_arkit" in (config.control.families or []) else [])]
        wanted = [
            "frames.csv",
            "template/mask.png",
            "template/mattes.png",
            "landmarks/gaze.csv",
            *(["tracking/frames.csv"] if config.capture.source == "photographs" else []),
            *(f"components/{level}/pca_all.h5" for level in self.levels),
            *(f"components/{finest}/pca_{attribute}.h5" for attribute in attributes),
            *(f"components/{plan.BASE}/mbspca_{attribute}.h5" for attribute in attributes),
            *(f"components/{finest}/sldc_{support}_{sldc.attribute}.h5" for support in sldc.supports.used),
            *(f"components/{level}/upsampled_pca_all.h5" for level in self.levels[:-1]),
            *(f"renders/{family}/contact_sheet.jpg" for family in plan.pictured(config)),
            *(f"evaluation/{table}" for table in ("fit.csv", "methods.csv", "summary.html")),
            *(f"evaluation/figures/{name}.png" for name in ("reconstruction", "worst_views", "coherence")),
            *(f"evaluation/figures/learned_{family}.png" for family in config.learned.families),
            *(["evaluation/figures/blendshapes.jpg"] if arkit else []),
            "evaluation/figures/where_they_act.png",
            *(f"control/{page}" for page in pages if config.control.web_head),
            *(f"{shown}/{track}.{suffix}" for track in config.video.tracks for suffix in ("mp4", "gif")),
            *(f"{exported}/{name}" for name in ("head.glb", "rig.safetensors", "fidelity.csv")),
        ]
        meshes = [f"mesh/{segment}" for segment in config.control.segments]
        return [
            *map(self.results, wanted),
            *self.learned_rigs(),
            *self.of_control("control/panels/{family}.json"),
            *self.control_tracks(["tour", *self.expressions, *meshes]),
        ]
