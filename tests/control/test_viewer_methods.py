"""Which methods the viewer opens, from which families a run has."""

import pytest

viser = pytest.importorskip("viser", reason="the viewer needs viser: pip install viser==1.1.1")

from splatrig.control.viewer import __main__ as viewer  # noqa: E402
from splatrig.control.viewer.tabs import track_files  # noqa: E402
from splatrig.io.errors import InputError  # noqa: E402
from splatrig.mesh.template import write_template  # noqa: E402
from support import heads  # noqa: E402


@pytest.fixture
def a_run(tmp_path, monkeypatch):
    """A run whose component files are empty: only which there are counts here."""
    write_template(tmp_path / "template" / "template.h5", heads.head(1).template)
    monkeypatch.setattr(viewer, "open_head", lambda *given, **_: tuple(given[1]))

    def has(*families):
        for family in families:
            path = tmp_path / "components" / "base" / f"{family}.h5"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return has


@pytest.mark.parametrize(
    ("made", "asked", "opened"),
    [
        (["learned_global", "learned_local"], ["learned_global", "learned_local"], ["learned_global+learned_local"]),
        (["learned_local"], ["learned_local"], ["learned_local"]),
        (["learned_local"], ["learned_global", "learned_local"], ["learned_local"]),
        (["pca_all"], ["pca_all"], ["pca_all"]),
        (
            ["learned_global", "pca_all", "sldc_gauss_xyz"],
            ["learned_global"],
            ["learned_global", "pca_all+sldc_gauss_xyz"],
        ),
    ],
)
def test_the_families_under_control_are_opened_as_far_as_the_run_has_them(a_run, made, asked, opened):
    assert list(viewer.open_methods(a_run(*made), [], asked)) == opened


def test_what_is_named_is_opened_alone(a_run):
    results = a_run("learned_global", "pca_all")
    assert viewer.open_methods(results, ["pca_all"], ["learned_global"]) == {"pca_all": ("pca_all",)}


def test_a_run_without_any_is_told_what_to_do(a_run):
    with pytest.raises(
        InputError, match=r"has none of the methods learned_local, learned_global\+learned_local.* --method"
    ):
        viewer.open_methods(a_run("mesh_pca"), [], ["learned_local"])


def test_tours_come_first_among_tracks(tmp_path):
    for family in ("a", "b"):
        for name in ("E001.csv", "mesh/E002.csv", "tour.csv"):
            path = tmp_path / "control" / "tracks" / family / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    assert list(track_files(tmp_path, ["a", "b"])) == [
        "a/tour", "b/tour", "a/E001", "a/mesh/E002", "b/E001", "b/mesh/E002"
    ]  # fmt: skip
