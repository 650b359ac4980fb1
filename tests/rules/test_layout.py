from pathlib import Path
from types import SimpleNamespace

import pytest

from splatrig.config.load import load_config
from splatrig.rules.layout import SHARED, Layout

PRESETS = Path(__file__).resolve().parents[2] / "workflow" / "presets"
EXPRESSIONS = ["Neutral", "Smile", "Frown"]


def layout(**changed) -> Layout:
    raw = {"preset": "local", "neutral": "Neutral", "subject": "anna", "capture": {"root": "mine"}} | changed
    return Layout(load_config(raw, PRESETS), EXPRESSIONS)


def test_what_a_subject_makes_is_below_its_folders():
    anna = layout()
    assert anna.results("frames.csv") == "results/anna/frames.csv"
    assert anna.logs("fit.log") == "logs/anna/fit.log"
    assert all(path.startswith("results/anna/") for path in [*anna.targets(), *anna.image_tables()])


def test_the_raw_capture_is_where_the_user_has_it_and_is_made_of_photographs_alone():
    assert layout().capture("KRT") == "mine/KRT"
    assert layout(preset="photographs").capture("KRT") == "results/anna/capture/KRT"


def test_shared_files_keep_their_wildcards():
    assert layout().files("frames", "panel") == {
        "frames": "results/anna/frames.csv",
        "panel": "results/anna/control/panels/{family}.json",
    }
    assert len(set(SHARED.values())) == len(SHARED)


def test_each_fills_in_expressions_and_no_other_wildcard():
    assert layout().each("tracks/{family}/{expression}.csv") == [
        f"results/anna/tracks/{{family}}/{name}.csv" for name in EXPRESSIONS
    ]


def test_photographs_are_of_a_list_or_by_a_function():
    anna = layout()
    assert anna.photographs(["Smile"])["photographs"] == ["results/anna/dataset/Smile"]
    assert anna.photographs(anna.photographs_without)["photographs"] == anna.photographs_without
    left = anna.photographs_without(SimpleNamespace(fold="Smile"))
    assert left == ["results/anna/dataset/Neutral", "results/anna/dataset/Frown"]


def test_plates_are_inputs_only_where_mattes_come_from_them():
    assert layout().plates() == []
    assert layout(capture={"root": "mine", "background": "plate"}).plates() == ["results/anna/dataset_plates"]


def test_a_family_is_shown_at_its_level():
    anna = layout()
    wildcards = SimpleNamespace(family="mbspca_xyz", source="bert", source_family="pca_all")
    assert anna.component_file(wildcards) == "results/anna/components/base/mbspca_xyz.h5"
    assert anna.source_component_file(wildcards) == f"results/bert/components/{anna.finest}/pca_all.h5"
    assert (anna.level("finest"), anna.level("base")) == (anna.levels[-1], "base")


def test_upsampled_components_are_measured_at_the_finest_level():
    anna = layout()
    upsampled, coarse = (SimpleNamespace(method=name, level="base") for name in ("upsampled_pca_all", "pca_all"))
    assert anna.rows_of_method(upsampled) == f"results/anna/attributes/{anna.finest}.h5"
    assert anna.rows_of_method(coarse) == "results/anna/attributes/base.h5"
    assert {method for method, _ in anna.compared} - {method for method, _ in anna.self_found()} == {
        "upsampled_pca_all"
    }


@pytest.mark.parametrize(("pose", "tracks"), [("neutral", 0), ("Smile", 0), ("tour-2.5s", 1)])
def test_only_moments_of_tracks_need_a_track(pose, tracks):
    assert len(layout().tracks_of_poses([pose], "pca_all")) == tracks


def test_run_times_are_read_from_the_benchmark_of_the_job_that_makes_a_method():
    anna = layout()
    jobs = {(job["method"], job["level"]): job for job in anna.learning_jobs()}
    assert jobs.keys() == {("fits", anna.finest), *anna.compared}
    assert len(jobs["fits", anna.finest]["benchmarks"]) == len(EXPRESSIONS)
    sldc = jobs["sldc_gauss_xyz", anna.finest]["benchmarks"]
    assert sldc == [f"logs/anna/benchmarks/compute_sldc/xyz/{anna.finest}/gauss.tsv"]
    assert jobs["mbspca_xyz", "base"]["k"] == anna.config.components.k // 2


def test_a_head_is_driven_by_json_only_where_there_is_no_csv(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "resources" / "driving"
    folder.mkdir(parents=True)
    wildcards = SimpleNamespace(performance="speech")
    assert layout().driving_file(wildcards) == "resources/driving/speech.csv"
    (folder / "speech.json").touch()
    assert layout().driving_file(wildcards) == "resources/driving/speech.json"
    (folder / "speech.csv").touch()
    assert layout().driving_file(wildcards) == "resources/driving/speech.csv"
    assert layout().driving_settings(wildcards) == []
    (folder / "speech.yaml").touch()
    assert layout().driving_settings(wildcards) == ["resources/driving/speech.yaml"]


def test_a_run_makes_what_the_configuration_asks_for():
    whole = layout().targets()
    assert "results/anna/control/head_webcam.html" in whole
    assert "results/anna/evaluation/figures/blendshapes.jpg" in whole
    few = layout(learned={"families": ["local"]}, control={"web_head": False, "segments": ["Yawn"]}).targets()
    assert not [path for path in few if path.endswith((".html", "blendshapes.jpg")) and "summary" not in path]
    assert "results/anna/control/tracks/learned_local/mesh/Yawn.csv" in few
    assert "results/anna/tracking/frames.csv" in layout(preset="photographs").targets()
    assert len(set(whole)) == len(whole)


def test_true_weights_are_of_the_demo_alone():
    demo, anna = layout(preset="demo", subject="demo", capture={}), layout()
    truth = "resources/captures/demo/truth.csv"
    assert demo.named_units() == {"units": truth}
    assert anna.named_units() == {"units": "results/anna/blendshapes/arkit.npz"}
    assert layout(components={"units": None}).named_units() == {}
    arkit, other = (SimpleNamespace(method=f"learned_{name}") for name in ("arkit", "local"))
    assert (demo.known_weights(arkit), demo.known_weights(other), anna.known_weights(arkit)) == ([truth], [], [])
