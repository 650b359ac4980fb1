"""What a change reruns, and what it leaves alone. Dry runs over one finished run."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from splatrig.config.models import Config

pytestmark = pytest.mark.workflow

ROOT = Path(__file__).resolve().parents[2]
CAPTURE = {"set_up_demo", "photograph_demo", "list_demo_frames"}
DATA = {"calibrate_cameras", "split_cameras", "restructure_expression", "list_frames", "build_template"}
FITS = {"fit_neutral", "fit_expression"}
SLDC_ONWARDS = {
    "compute_sldc",
    "evaluate_method",
    "evaluate_truth",
    "merge_methods",
    "draw_figures",
    "summarize_evaluation",
}
EXPORTED = CAPTURE | DATA | FITS | {"write_attributes"}
BEFORE_SLDC = CAPTURE | DATA | FITS | {"write_attributes", "compute_pca", "compute_mbspca", "upsample_pca"}
RIGS = {"decompose_meshes", "learn_rig"}
SHOWN = {"render_family", "write_panel", "film_track", "export_pose", "export_head", "export_rig"}
MERGES = {"merge_methods", "evaluate_truth", "compare_heat_maps", "draw_figures", "summarize_evaluation"}

CHANGES = [
    ("components.sldc.sparsity", 2.0, SLDC_ONWARDS, BEFORE_SLDC | RIGS),
    ("rendering.components", 1, {"render_family", "compare_heat_maps"}, BEFORE_SLDC | RIGS | {"compute_sldc"}),
    (
        "components.k",
        4,
        {"compute_pca", "upsample_pca", "compute_mbspca", "compute_sldc", "sweep_method"} | RIGS,
        EXPORTED,
    ),
    ("components.mbspca_sparsity", 2.0, {"compute_mbspca"}, EXPORTED | {"compute_pca", "compute_sldc"}),
    (
        "components.rest",
        "mean",
        {"compute_pca", "compute_mbspca", "compute_sldc"},
        CAPTURE | DATA | FITS | {"write_attributes"},
    ),
    ("fitting.frame_steps", 5, {"fit_expression", "write_attributes", "compute_pca"}, CAPTURE | DATA | {"fit_neutral"}),
    ("fitting.neutral_steps", 21, {"fit_neutral", "fit_expression", "write_attributes"}, CAPTURE | DATA),
    (
        "mesh.mask_fraction",
        0.4,
        {"build_template", "write_attributes"},
        CAPTURE | {"split_cameras", "restructure_expression", "list_frames"},
    ),
    ("capture.color", None, {"restructure_expression", "fit_neutral"}, CAPTURE | {"split_cameras"}),
    (
        "capture.held_out.cameras",
        "every 2nd",
        {"split_cameras", "fit_neutral"},
        CAPTURE | {"calibrate_cameras", "restructure_expression"},
    ),
    (
        "capture.held_out.expressions",
        ["E042_Mouth_Nose_Left"],
        {"list_frames", "write_attributes", "compute_pca"},
        CAPTURE | FITS | {"calibrate_cameras", "split_cameras", "restructure_expression"},
    ),
    (
        "capture.background",
        "silhouette",
        {"restructure_expression", "show_mattes", "fit_neutral"},
        CAPTURE | {"calibrate_cameras", "split_cameras"},
    ),
    ("capture.doctor", "warn", {"admit_capture"}, CAPTURE | DATA | FITS | {"capture_report"}),
    ("capture.frame_selection", "first", {"restructure_expression", "fit_neutral"}, CAPTURE | {"split_cameras"}),
    (
        "demo.tracking_noise_mm",
        0.3,
        {"set_up_demo", "photograph_demo", "restructure_expression", "fit_neutral"},
        {"retrieve_head"},
    ),
    (
        "evaluation.sparsities",
        [2.0],
        {"sweep_method", "draw_figures"},
        BEFORE_SLDC | {"compute_sldc", "evaluate_method"},
    ),
    ("learned.steps", 9, {"learn_rig"} | SHOWN, BEFORE_SLDC | {"compute_sldc", "decompose_meshes"}),
    ("learned.sparsity", 3.0, RIGS | SHOWN, BEFORE_SLDC | {"compute_sldc"}),
    ("capture.frame_numbers_per_second", 30.0, {"track_frames"}, BEFORE_SLDC | RIGS | SHOWN),
    ("control.smoothing", "gaussian", {"track_frames"}, BEFORE_SLDC | RIGS | SHOWN),
    ("video.fps", 12, {"film_track"}, BEFORE_SLDC | RIGS | SHOWN - {"film_track"}),
    ("export.mesh_level", "base", {"export_head"}, BEFORE_SLDC | RIGS | SHOWN - {"export_head"}),
]
"""Key, its value, rules that rerun (among others), rules that do not."""
ONE_MORE = [
    ("rendering.families", ["pca_all", "learned_local", "sldc_trapezoid_xyz"], {"render_family": 1}),
    ("video.tracks", ["tour", "E042_Mouth_Nose_Left"], {"film_track": 1}),
]
ONE_SUPPORT = ("components.sldc.supports.trapezoid.d_max", 0.5)
"""One more method or family: its own jobs. Without one: none."""
ONE_LESS = [("components.sldc.supports.trapezoid", None), ("rendering.families", ["pca_all"])]
NO_MATTER = [("fitting.original_steps", 4), ("learned.solve_steps", 5)]
EXPRESSIONS = ["E001_Neutral_Eyes_Open", "E012_Jaw_Open_Huge_Smile", "E042_Mouth_Nose_Left", "E057_Cheeks_Puffed"]
ONE_EXPRESSION_MORE = ("capture.expressions", EXPRESSIONS)
ROWS = [*CHANGES, *ONE_MORE, *ONE_LESS, *NO_MATTER, ONE_SUPPORT, ONE_EXPRESSION_MORE]


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
    tried = {row[0].partition(".")[0] for row in ROWS}
    assert Config.model_fields.keys() - tried == {"preset", "subject", "subjects", "neutral", "seed", "device"}


@pytest.mark.parametrize("change", NO_MATTER)
def test_what_no_result_depends_on_reruns_nothing(pending, change):
    assert pending(*change) == {}


def test_another_support_map_or_family_is_left_alone(pending):
    by_support, by_family = pending(*ONE_SUPPORT), pending("learned.sparsity", 3.0)
    assert by_support["compute_sldc"] == by_family["learn_rig"] == 1
    assert not by_support.keys() & RIGS
    assert by_family["decompose_meshes"] == 1  # where local ones start


def test_a_new_expression_is_fitted_alone(pending):
    jobs = pending(*ONE_EXPRESSION_MORE)
    assert jobs["photograph_demo"] == jobs["restructure_expression"] == jobs["fit_expression"] == 1
    assert {"list_frames", "write_attributes", "compute_pca", "compute_sldc"} <= jobs.keys()
    assert not jobs.keys() & {"set_up_demo", "split_cameras", "build_template", "fit_neutral"}


@pytest.mark.parametrize(("key", "value", "jobs"), ONE_MORE)
def test_one_more_method_starts_its_own_jobs_and_the_merges(pending, key, value, jobs):
    assert {rule: count for rule, count in pending(key, value).items() if rule not in MERGES} == jobs


@pytest.mark.parametrize(("key", "value"), ONE_LESS)
def test_one_method_less_starts_nothing_but_the_merges(pending, key, value):
    assert pending(key, value).keys() <= MERGES


def test_an_edited_module_that_only_sldc_uses_reruns_what_its_lambda_does(finished, pending):
    with finished.edited("workflow/lib/splatrig/components/support.py"):
        by_code = finished.pending()
    by_value = pending("components.sldc.sparsity", 2.0)
    assert by_code["compute_sldc"] == by_value["compute_sldc"] == 2
    assert not by_code.keys() & BEFORE_SLDC
    assert by_value.keys() - by_code.keys() <= {"sweep_method"}


@pytest.mark.parametrize(
    ("module", "reruns", "leaves"),
    [
        ("fitting/losses.py", {"fit_neutral", "fit_expression"}, CAPTURE | DATA),
        ("components/pca.py", {"compute_pca"}, CAPTURE | DATA | FITS | {"write_attributes"}),
        ("evaluation/figures.py", {"draw_figures"}, EXPORTED | {"compute_pca", "compute_sldc"}),
        ("capture/krt.py", {"split_cameras"}, {"list_demo_frames"}),
    ],
)
def test_an_edited_module_reruns_what_it_feeds(finished, module, reruns, leaves):
    with finished.edited(f"workflow/lib/splatrig/{module}"):
        pending = finished.pending()
    assert reruns <= pending.keys()
    assert not pending.keys() & leaves
