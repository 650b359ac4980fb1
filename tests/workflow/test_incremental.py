"""What a change reruns, and what it leaves alone. Dry runs over one finished run."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.workflow

ROOT = Path(__file__).resolve().parents[2]
CAPTURE = {"demo_rig", "demo_segment", "demo_frames"}
DATA = {"calibration", "cameras", "restructure", "frames", "template"}
FITS = {"fit_neutral", "fit_expression"}
SLDC_ONWARDS = {"sldc", "evaluate_method", "evaluate_truth", "merge_methods", "draw_figures", "summarize_evaluation"}
BEFORE_SLDC = CAPTURE | DATA | FITS | {"attributes", "pca", "mbspca", "upsampling"}
RIGS = {"mesh_components", "learn_rig"}
SHOWN = {"render_family", "control_panel", "video", "export_pose", "export_head", "export_rig"}
MERGES = {"merge_methods", "evaluate_truth", "compare_heat_maps", "draw_figures", "summarize_evaluation"}

CHANGES = [
    ("components.sldc.lambda", 2.0, SLDC_ONWARDS, BEFORE_SLDC | RIGS),
    ("rendering.deviations", 1.5, {"render_family"}, CAPTURE | DATA | FITS | {"attributes", "pca", "sldc"}),
    ("components.pca.k", 4, {"pca", "upsampling"}, CAPTURE | DATA | FITS | {"attributes", "sldc", "mbspca"}),
    ("components.mbspca.alpha", 2.0, {"mbspca"}, CAPTURE | DATA | FITS | {"attributes", "pca", "sldc"}),
    ("components.rest", "mean", {"pca", "mbspca", "sldc"}, CAPTURE | DATA | FITS | {"attributes"}),
    ("training.steps.frame", 5, {"fit_expression", "attributes", "pca"}, CAPTURE | DATA | {"fit_neutral"}),
    ("training.steps.neutral", 21, {"fit_neutral", "fit_expression", "attributes"}, CAPTURE | DATA),
    ("mesh.mask.fraction", 0.4, {"template", "attributes"}, CAPTURE | {"cameras", "restructure", "frames"}),
    ("capture.color", "none", {"restructure", "fit_neutral"}, CAPTURE | {"cameras"}),
    ("capture.held_out.cameras", "every 2nd", {"cameras", "fit_neutral"}, CAPTURE | {"calibration", "restructure"}),
    (
        "capture.held_out.expressions",
        ["E042_Mouth_Nose_Left"],
        {"frames", "attributes", "pca"},
        CAPTURE | FITS | {"calibration", "cameras", "restructure"},
    ),
    ("capture.frame_selection", "first", {"restructure", "fit_neutral"}, CAPTURE | {"cameras"}),
    ("demo.tracking_noise_mm", 0.3, {"demo_rig", "demo_segment", "restructure", "fit_neutral"}, {"retrieve_head"}),
    (
        "evaluation.ks",
        [1, 2],
        {"evaluate_method", "draw_figures"},
        CAPTURE | DATA | FITS | {"attributes", "pca", "sldc"},
    ),
    ("training.sh_degree", 2, FITS | RIGS | {"attributes"}, CAPTURE | DATA),
    ("learned.steps", 9, {"learn_rig"} | SHOWN, BEFORE_SLDC | {"sldc", "mesh_components"}),
    ("learned.local.lambda", 3.0, RIGS | SHOWN, BEFORE_SLDC | {"sldc"}),
    ("control.percentiles", [2, 98], {"control_panel", "video", "export_pose"}, BEFORE_SLDC | RIGS | {"render_family"}),
    ("video.zoom", 1.0, {"video"}, BEFORE_SLDC | RIGS | SHOWN - {"video"}),
    ("export.ply_axes", "metres", {"export_pose", "export_fidelity"}, BEFORE_SLDC | RIGS | SHOWN - {"export_pose"}),
]
"""Key, its value, rules that rerun (among others), rules that do not."""
ONE_MORE = [
    ("components.upsample", ["base", "subd1"], {"upsampling": 1, "evaluate_method": 1}),
    ("rendering.families", ["pca_all", "learned_local", "sldc_trapezoid_xyz"], {"render_family": 1}),
    ("video.tracks", ["tour", "E042_Mouth_Nose_Left"], {"video": 1}),
]
ONE_SUPPORT = ("components.sldc.trapezoid.d_max", 0.5)
ONE_FAMILY = ("learned.local.lambda", 2.0)
"""One more method or family: its own jobs. Without one: none."""
ONE_LESS = [("components.sldc.supports", ["gauss"]), ("components.upsample", [])]
NO_MATTER = [("training.original_steps", 4), ("learned.solve.steps", 5)]
EXPRESSIONS = ["E001_Neutral_Eyes_Open", "E012_Jaw_Open_Huge_Smile", "E042_Mouth_Nose_Left", "E057_Cheeks_Puffed"]
ONE_EXPRESSION_MORE = ("capture.expressions", EXPRESSIONS)
ROWS = [*CHANGES, *ONE_MORE, *ONE_LESS, *NO_MATTER, ONE_SUPPORT, ONE_FAMILY, ONE_EXPRESSION_MORE]


@pytest.fixture(scope="module")
def pending(finished, tmp_path_factory):
    """Return the function from a changed key and its value to the jobs that a run would start.

    All are dry runs of configurations of their own, made side by side.
    """
    folder = tmp_path_factory.mktemp("configurations")
    changes = [row[:2] for row in ROWS]
    configs = [finished.config_with(*change, folder / f"{number}.yaml") for number, change in enumerate(changes)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda config: finished.pending(config=config), configs))
    return lambda *change: found[changes.index(change)]


@pytest.mark.parametrize(("key", "value", "reruns", "leaves"), CHANGES)
def test_a_changed_value_reruns_its_dependents_and_no_others(pending, key, value, reruns, leaves):
    jobs = pending(key, value)
    assert reruns <= jobs.keys()
    assert not jobs.keys() & leaves


def test_every_section_of_the_configuration_has_a_row():
    sections = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    tried = {row[0].partition(".")[0] for row in ROWS}
    assert sections.keys() - tried == {"subject", "seed", "device"}


@pytest.mark.parametrize("change", NO_MATTER)
def test_what_no_result_depends_on_reruns_nothing(pending, change):
    assert pending(*change) == {}


def test_another_support_map_or_family_is_left_alone(pending):
    by_support, by_family = pending(*ONE_SUPPORT), pending(*ONE_FAMILY)
    assert by_support["sldc"] == by_family["mesh_components"] == by_family["learn_rig"] == 1
    assert not by_support.keys() & RIGS
    assert "sldc" not in by_family


def test_a_new_expression_is_fitted_alone(pending):
    jobs = pending(*ONE_EXPRESSION_MORE)
    assert jobs["demo_segment"] == jobs["restructure"] == jobs["fit_expression"] == 1
    assert {"frames", "attributes", "pca", "sldc"} <= jobs.keys()
    assert not jobs.keys() & {"demo_rig", "cameras", "template", "fit_neutral"}


@pytest.mark.parametrize(("key", "value", "jobs"), ONE_MORE)
def test_one_more_method_starts_its_own_jobs_and_the_merges(pending, key, value, jobs):
    assert {rule: count for rule, count in pending(key, value).items() if rule not in MERGES} == jobs


@pytest.mark.parametrize(("key", "value"), ONE_LESS)
def test_one_method_less_starts_nothing_but_the_merges(pending, key, value):
    assert pending(key, value).keys() <= MERGES


def test_an_edited_module_that_only_sldc_uses_reruns_what_its_lambda_does(finished, pending):
    with finished.edited("workflow/lib/splatrig/components/support.py"):
        by_code = finished.pending()
    by_value = pending("components.sldc.lambda", 2.0)
    assert by_code["sldc"] == by_value["sldc"] == 2
    assert not by_code.keys() & BEFORE_SLDC
    assert by_value.keys() - by_code.keys() <= {"sweep_method"}


@pytest.mark.parametrize(
    ("module", "reruns", "leaves"),
    [
        ("fitting/losses.py", {"fit_neutral", "fit_expression"}, CAPTURE | DATA),
        ("components/pca.py", {"pca"}, CAPTURE | DATA | FITS | {"attributes"}),
        ("evaluation/figures.py", {"draw_figures"}, CAPTURE | DATA | FITS | {"attributes", "pca", "sldc"}),
        ("capture/krt.py", {"cameras"}, {"demo_frames"}),
    ],
)
def test_an_edited_module_reruns_what_it_feeds(finished, module, reruns, leaves):
    with finished.edited(f"workflow/lib/splatrig/{module}"):
        pending = finished.pending()
    assert reruns <= pending.keys()
    assert not pending.keys() & leaves
