from pathlib import Path

import pytest

from splatrig import digest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "workflow/scripts").glob("*.py"))


def test_digest_follows_imports_through_modules(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from splatrig.capture.cameras import read_cameras\n")
    used = digest.modules_used_by(script)
    assert {"splatrig.capture.cameras", "splatrig.errors", "splatrig.files", "splatrig.capture"} <= set(used)
    assert "splatrig.gaussians" not in used


def test_lazy_and_named_imports_count(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("def f():\n    import splatrig.errors\n    g('splatrig.files')\n")
    assert digest.modules_used_by(script) == ["splatrig.errors", "splatrig.files"]


def test_digest_changes_with_a_used_module_only(tmp_path, monkeypatch):
    script = tmp_path / "script.py"
    script.write_text("from splatrig.files import sha256_of_file\n")
    before = digest.library_digest(script)
    edited = tmp_path / "edited.py"
    for module, same in (("splatrig.files", False), ("splatrig.capture.cameras", True)):
        modules = dict(digest._modules())
        edited.write_bytes(modules[module].read_bytes() + b"\n# edited\n")
        monkeypatch.setattr(digest, "_modules", lambda modules=modules, module=module: {**modules, module: edited})
        assert (digest.library_digest(script) == before) is same
        monkeypatch.undo()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_digest_of_a_script_covers_every_module_it_loads(script):
    """What `import` really loads from the package is a subset of what the digest reads."""
    import subprocess
    import sys

    code = (
        "import ast, sys; tree = ast.parse(open(sys.argv[1]).read());"
        "tree.body = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))];"
        "exec(compile(tree, 'imports', 'exec'));"
        "print('\\n'.join(m for m in sys.modules if m.startswith('splatrig.')))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code, str(script)],
        env={"PYTHONPATH": str(ROOT / "workflow/lib"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert set(loaded) - digest.WITHOUT_RESULTS <= set(digest.modules_used_by(script))
