"""What a change reruns, and what it leaves alone. Dry runs over one finished run."""

import pytest

pytestmark = pytest.mark.workflow

CAPTURE = {"demo_rig", "demo_segment", "demo_frames"}
DATA = {"calibration", "cameras", "restructure", "frames", "template"}
FITS = {"fit_neutral", "fit_expression"}
SLDC_ONWARDS = {"sldc", "evaluate_method", "evaluate_truth", "merge_methods", "draw_figures", "summarise_evaluation"}


def test_a_finished_run_has_nothing_to_do(finished):
    assert finished.pending() == {}


def test_lambda_reruns_sldc_and_what_follows_it_and_nothing_before(finished):
    with finished.changed_config("components.sldc.lambda", 2.0):
        pending = finished.pending()
    assert pending["sldc"] == 2
    assert pending.keys() >= SLDC_ONWARDS
    assert not pending.keys() & (CAPTURE | DATA | FITS | {"attributes", "pca", "mbspca", "upsampling"})


def test_an_edited_module_that_only_sldc_uses_does_the_same(finished):
    with finished.changed_config("components.sldc.lambda", 2.0):
        by_value = finished.pending()
    with finished.edited("workflow/lib/splatrig/components/support.py"):
        by_code = finished.pending()
    assert by_code["sldc"] == 2
    assert not by_code.keys() & (CAPTURE | DATA | FITS | {"attributes", "pca", "mbspca", "upsampling"})
    assert by_value.keys() - by_code.keys() <= {"sweep_method"}


@pytest.mark.parametrize(
    ("key", "value", "reruns", "leaves"),
    [
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
        ("capture.frames_per_expression", 1, {"restructure", "fit_neutral"}, CAPTURE | {"cameras"}),
        ("demo.tracking_noise_mm", 0.3, {"demo_rig", "demo_segment", "restructure", "fit_neutral"}, {"retrieve_head"}),
        (
            "evaluation.ks",
            [1, 2],
            {"evaluate_method", "draw_figures"},
            CAPTURE | DATA | FITS | {"attributes", "pca", "sldc"},
        ),
    ],
)
def test_a_changed_value_reruns_its_dependents_and_no_others(finished, key, value, reruns, leaves):
    with finished.changed_config(key, value):
        pending = finished.pending()
    assert reruns <= pending.keys()
    assert not pending.keys() & leaves


def test_how_often_a_fit_keeps_its_state_reruns_nothing(finished):
    with finished.changed_config("training.checkpoint_steps", 3):
        assert finished.pending() == {}


def test_a_new_expression_is_fitted_alone(finished):
    expressions = ["E001_Neutral_Eyes_Open", "E012_Jaw_Open_Huge_Smile", "E042_Mouth_Nose_Left", "E057_Cheeks_Puffed"]
    with finished.changed_config("capture.expressions", expressions):
        pending = finished.pending()
    assert pending["demo_segment"] == pending["restructure"] == pending["fit_expression"] == 1
    assert {"frames", "attributes", "pca", "sldc"} <= pending.keys()
    assert not pending.keys() & {"demo_rig", "cameras", "template", "fit_neutral"}


@pytest.mark.parametrize(
    ("module", "reruns", "leaves"),
    [
        ("training/losses.py", {"fit_neutral", "fit_expression"}, CAPTURE | DATA),
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


MERGES = {"merge_methods", "evaluate_truth", "compare_heat_maps", "draw_figures", "summarise_evaluation"}


@pytest.mark.parametrize(
    ("key", "value", "jobs"),
    [
        ("components.upsample", ["base", "subd1"], {"upsampling": 1, "evaluate_method": 1}),
        ("rendering.families", ["pca_all", "joint_local", "sldc_trapezoid_xyz"], {"render_family": 1}),
    ],
)
def test_one_more_method_starts_its_own_jobs_and_the_merges(finished, key, value, jobs):
    with finished.changed_config(key, value):
        pending = finished.pending()
    assert {rule: count for rule, count in pending.items() if rule not in MERGES} == jobs


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("components.sldc.supports", ["gauss"]),
        ("components.upsample", []),
    ],
)
def test_one_method_less_starts_nothing_but_the_merges(finished, key, value):
    with finished.changed_config(key, value):
        assert finished.pending().keys() <= MERGES
