import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pxr import Usd

from splatrig.blendshapes.arkit import NAMES
from splatrig.components.component_file import read_components
from splatrig.control.track import read_track
from splatrig.export.fidelity import read_exported

pytestmark = pytest.mark.workflow


def test_every_family_keeps_the_invariant_of_the_component_file(finished):
    """frame ≈ MEAN + STD * (offset + W @ C), with an error no larger than what the method left out."""
    files = sorted((finished.results / "components").glob("*/*.h5"))
    assert {path.stem.split("_")[0] for path in files} >= {"pca", "mbspca", "sldc", "upsampled"}
    for path in files:
        with h5py.File(path, "r") as file:
            family = next(name for name in ("pca", "mbspca", "sldc", "learned") if f"{name}_W" in file)
            W, C = file[f"{family}_W"][:], file[f"{family}_C"][:]
            rows = file["dataMat"][:] if "dataMat" in file else None
            offset = file[f"{family}_offset"][:] if f"{family}_offset" in file else 0.0
            reconstruction = offset + W @ C.reshape(len(C), -1)
        assert np.isfinite(reconstruction).all(), path
        if rows is not None:
            residual = ((rows - reconstruction) ** 2).sum()
            assert residual < ((rows - offset) ** 2).sum(), path


def test_held_out_cameras_are_measured_in_both_regions(finished):
    fit = pd.read_csv(finished.results / "evaluation" / "fit.csv")
    assert set(fit["split"]) == {"train", "held_out"}
    assert set(fit["region"]) == {"mask", "image"}
    assert np.isfinite(fit["psnr"]).all()


def test_every_method_is_in_the_tables_with_units_and_counts(finished):
    folder = finished.results / "evaluation"
    methods, images = pd.read_csv(folder / "methods.csv"), pd.read_csv(folder / "images.csv")
    learned = {
        "pca_all",
        "pca_xyz",
        "sldc_gauss_xyz",
        "sldc_trapezoid_xyz",
        "mbspca_xyz",
        "learned_global",
        "learned_local",
    }
    assert set(methods["method"]) == learned | {"upsampled_pca_all", "fits"}
    assert set(images["method"]) == set(methods["method"])
    assert set(images["test"]) == {"reconstruction", "unfollowed", "generalization", "specificity"}
    assert methods["unit"].notna().all()
    assert (methods["n"] > 0).all()
    assert np.isfinite(methods["value"]).all()
    table = pd.read_csv(folder / "comparison.csv")
    assert set(table.loc[table["quantity"] == "images, held-out cameras, PSNR", "method"]) == set(methods["method"])
    assert set(table.loc[table["quantity"] == "converged", "text"]) >= {"closed form"}
    summary = pd.read_csv(folder / "summary.csv")
    assert len(summary) == 5
    assert summary["question"].str.contains("learned through the rasterizer").any()


def test_pictures_open(finished):
    pictures = list(finished.results.rglob("*.png"))
    assert pictures
    for path in pictures:
        with Image.open(path) as picture:
            picture.load()


def test_the_original_recipe_is_compared_on_request(finished):
    done = finished.snakemake("compare_recipes")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    folder = finished.results / "recipes"
    summary = pd.read_csv(folder / "summary.csv")
    assert summary["recipe"].tolist() == ["warm", "original"]
    assert np.isfinite(summary["psnr"]).all()
    spectrum = pd.read_csv(folder / "spectrum.csv")
    assert (spectrum["frames"] == 6).all()  # of three expressions, by either recipe
    assert set(spectrum["recipe"]) == {"warm", "original"}
    with Image.open(folder / "coherence.png") as picture:
        picture.load()


def test_a_track_is_exported_frame_by_frame_on_request(finished):
    usd, folder = "export/learned_local/tracks/tour.usdc", "export/learned_local/sequences/tour"
    done = finished.snakemake(f"results/tiny/{usd}", f"results/tiny/{folder}")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    stage = Usd.Stage.Open(str(finished.results / usd))
    positions = stage.GetDefaultPrim().GetAttribute("positions")
    files = sorted((finished.results / folder).glob("frame*.ply"))
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (1, len(files))
    assert stage.GetTimeCodesPerSecond() == 6
    for number in (1, len(files) // 2, len(files)):
        found = read_exported(files[number - 1]).means
        np.testing.assert_allclose(found, np.array(positions.Get(number)), atol=1e-3)


def test_a_file_drives_a_family_that_has_its_names_and_no_other(finished):
    tracks = finished.results / "control" / "tracks" / "learned_local"
    shutil.copy(tracks / "tour.csv", finished.directory / "resources" / "driving" / "mine.csv")
    done = finished.snakemake("results/tiny/control/tracks/learned_local/driven/mine.csv")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    tour, driven = read_track(tracks / "tour.csv"), read_track(tracks / "driven" / "mine.csv")
    assert driven.names == tour.names and np.array_equal(driven.weights, tour.weights)
    refused = finished.snakemake("results/tiny/export/learned_local/live_link/driven/hello.csv")
    assert refused.returncode != 0
    assert "drive learned_arkit, and ask for control/tracks/learned_local/from_tiny/learned_arkit" in refused.stderr


def test_a_phones_recording_drives_arkits_blendshapes(finished):
    made = {"track": "control/tracks/learned_arkit/driven/hello.csv", "sheet": "evaluation/figures/blendshapes.jpg"}
    done = finished.snakemake(*(f"results/tiny/{path}" for path in made.values()))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    rig = read_components(finished.results / "components" / "subd2" / "learned_arkit.h5")
    assert rig.names == NAMES and rig.limits == (0.0, 1.0)
    assert rig.told is not None and rig.told[NAMES.index("jawOpen")]
    assert not rig.W[:, ~rig.told].any()
    track = read_track(finished.results / made["track"])
    assert track.names == NAMES
    assert 0.0 <= track.weights.min() < track.weights.max() <= 1.0
