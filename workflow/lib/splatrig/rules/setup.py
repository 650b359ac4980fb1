"""Setup of the workflow: the user's configuration is checked before anything is written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from splatrig.capture.sources import check_masks, chosen_expressions, known_cameras, tracked_frames
from splatrig.components.fields import ATTRIBUTE_OF, ATTRIBUTES
from splatrig.config.checks import check_config, check_families, check_names, with_components_capped
from splatrig.config.load import load_config
from splatrig.config.rasterizers import BACKENDS
from splatrig.evaluation.plan import FAMILIES
from splatrig.io.errors import InputError
from splatrig.rules.layout import Layout


def set_up(raw: Mapping[str, Any], root: Path, *, in_cohort: bool = False) -> tuple[Layout, str | None]:
    """Return the layout of a run, and a sentence for the user where frames are too few for the components asked for.

    `raw` is the configuration as Snakemake merged it, `root` the folder of splatrig; `in_cohort` says whether other
    subjects are in the same graph. Raises InputError for bad input.
    """
    config = load_config(raw, root / "workflow" / "presets")
    sources = sorted(path.stem for path in (root / "workflow" / "rules" / "sources").glob("*.smk"))
    check_names(config, sources, list(BACKENDS), list(ATTRIBUTES), list(ATTRIBUTE_OF.values()))
    check_families(config, {kind: [f"{kind}_{name}" for name in made] for kind, made in FAMILIES.items()})
    for what, path in (("the folder of splatrig", root), ("capture.root", config.capture.root)):
        if set(str(path)) & set("{}"):
            raise InputError(f"{what}: {path} has braces, which are wildcards to Snakemake; rename or link it.")
    expressions = chosen_expressions(config, root / "resources")
    check_config(config, expressions, known_cameras(config))
    check_masks(config, expressions)
    config, few = with_components_capped(config, expressions, tracked_frames(config, expressions))
    return Layout(config, expressions, in_cohort), few
