import json
import subprocess
import sys
from pathlib import Path

from splatrig.jobs import digest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "workflow/scripts").glob("*.py"))


def test_digest_follows_imports_through_modules(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from splatrig.dataset.cameras import read_cameras\n")
    used = digest.modules_used_by(script)
    assert {"splatrig.dataset.cameras", "splatrig.io.errors", "splatrig.io.files", "splatrig.dataset"} <= set(used)
    assert "splatrig.gaussians" not in used


def test_lazy_and_named_imports_count(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("def f():\n    import splatrig.io.errors\n    g('splatrig.io.files')\n")
    assert digest.modules_used_by(script) == ["splatrig.io", "splatrig.io.errors", "splatrig.io.files"]


def test_names_in_parentheses_and_under_another_name_count(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from splatrig.io import (\n    errors as wrong,\n    files,  # or none\n)\n# from splatrig import mesh\n"
    )
    assert digest.modules_used_by(script) == ["splatrig.io", "splatrig.io.errors", "splatrig.io.files"]


def test_digest_changes_with_a_used_module_only(tmp_path, monkeypatch):
    script = tmp_path / "script.py"
    script.write_text("from splatrig.io.files import sha256_of_file\n")
    before = digest.library_digest(script)
    edited = tmp_path / "edited.py"
    for module, same in (("splatrig.io.files", False), ("splatrig.dataset.cameras", True)):
        modules = dict(digest._modules())
        edited.write_bytes(modules[module].read_bytes() + b"\n# edited\n")
        monkeypatch.setattr(digest, "_modules", lambda modules=modules, module=module: {**modules, module: edited})
        assert (digest.library_digest(script) == before) is same
        monkeypatch.undo()


SUPPORT_MAPS = {"splatrig.config.support_maps"}
ONLY_TYPES = SUPPORT_MAPS | {"splatrig.config.names"}
"""Loaded by `config.models` for what keys may be; whoever calls a support map imports it, and is held to that below."""

_LOADED = """
import ast, json, os, sys
import h5py, matplotlib, numba, pandas, scipy.sparse, sklearn, torch, trimesh  # once, before the forks

for script in sys.argv[1:]:
    sys.stdout.flush()
    if os.fork() == 0:
        tree = ast.parse(open(script).read())
        tree.body = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        exec(compile(tree, script, "exec"))
        print(json.dumps([script, [name for name in sys.modules if name.split(".")[0] == "splatrig"]]), flush=True)
        os._exit(0)
    _, status = os.wait()
    assert status == 0, script
"""


def test_digest_of_a_script_covers_every_module_it_loads():
    """What `import` really loads from the package is a subset of what the digest reads."""
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, *map(str, SCRIPTS)],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    loaded = dict(json.loads(line) for line in done.stdout.splitlines())
    assert loaded.keys() == set(map(str, SCRIPTS))
    for script, modules in loaded.items():
        assert set(modules) - digest.WITHOUT_RESULTS - ONLY_TYPES <= set(digest.modules_used_by(script)), script


def test_a_support_map_counts_where_components_are_local_and_not_in_fits():
    by_script = {script.stem: set(digest.modules_used_by(script)) for script in SCRIPTS}
    assert by_script["compute_sldc"] >= SUPPORT_MAPS and by_script["decompose_meshes"] >= SUPPORT_MAPS
    assert not by_script["fit_expression"] & SUPPORT_MAPS and not by_script["compute_pca"] & SUPPORT_MAPS
