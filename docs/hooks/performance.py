"""Make the page performance.md of the tables that lie next to the benchmarks."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

HEADER = """# Performance

Everything here was measured, by the script of `benchmarks/` that each part names, on the machine that it names. They
are noisy: ratios were taken in one run, medians of several; what was missed is said.
"""


def page() -> str:
    """Return the tables of all benchmarks under one heading, their own headings one level down."""
    parts = [HEADER]
    for path in [BENCHMARKS / "README.md", *sorted(BENCHMARKS.glob("*/*.md"))]:
        lines = path.read_text(encoding="utf-8").replace("](../studies/", "](").splitlines()
        parts += ["", *(f"#{line}" if line.startswith("#") else line for line in lines)]
    return "\n".join(parts) + "\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page and its pictures; MkDocs calls this (`hooks` of mkdocs.yml)."""
    for path in sorted(BENCHMARKS.glob("*/*.png")):
        files.append(File(path.name, str(path.parent), config.site_dir, config.use_directory_urls))
    files.append(File.generated(config, "performance.md", content=page()))
    return files
