"""`python -m splatrig.control.viewer results/demo`: open the head of a finished run in a browser.

This is a command and no rule: it ends when a person ends it, and it makes nothing that another rule needs.
"""

import argparse
import logging
import sys
import time
from pathlib import Path

import viser

from splatrig.config.load import read_config
from splatrig.control.head import Head, component_path, open_head
from splatrig.control.viewer.page import Page
from splatrig.io.errors import InputError
from splatrig.mesh.template import read_template

WORKFLOW = Path(__file__).resolve().parents[4]
CONFIG, PRESETS = WORKFLOW.parent / "config.yaml", WORKFLOW / "presets"

METHODS = ("learned_global+learned_local", "pca_all+sldc_gauss_xyz", "pca_all+sldc_trapezoid_xyz")
"""What is opened beside `control.families` when nothing is named, as far as the run has it."""


def open_methods(results: Path, wanted: list[str], families: list[str]) -> dict[str, Head]:
    """Open the methods `wanted` (families joined by +); without any, `families` together and METHODS that the run has.

    Of `families` that the run does not have all, those that it has; the first method is under control at the start.
    Raises InputError when a method that was named is missing, or the run has none.
    """
    template = results / "template" / "template.h5"
    if not template.is_file():
        raise InputError(f"{results}: {template.name} is missing; run snakemake first, or name results/{{subject}}.")
    levels = list(read_template(template).levels)

    def has(method: str) -> bool:
        try:
            return all(component_path(results, name, levels) for name in method.split("+"))
        except InputError:
            return False

    own = "+".join(family for family in families if has(family))
    names = wanted or list(dict.fromkeys(method for method in (own, *METHODS) if method and has(method)))
    if not names:
        raise InputError(
            f"{results}: has none of the methods {', '.join(dict.fromkeys(['+'.join(families), *METHODS]))}; "
            "run snakemake first, or name one that it has with --method."
        )
    return {method: open_head(results, method.split("+")) for method in names}


def main(arguments: list[str] | None = None) -> int:
    """Serve the page until interrupted; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m splatrig.control.viewer", description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path, nargs="?", default=Path("results/demo"), help="results/{subject}")
    parser.add_argument("--method", action="append", default=[], help="families joined by +, may be repeated")
    parser.add_argument("--configfile", action="append", default=[], help="as the run's; control.families counts here")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; other machines see 0.0.0.0")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--seed", type=int, default=0, help="of random faces")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("websockets").setLevel(logging.WARNING)
    try:
        config = read_config([CONFIG, *options.configfile], PRESETS)
        heads = open_methods(options.results, options.method, config.control.families or [])
    except InputError as error:
        logging.getLogger(__name__).error("error: %s", error)
        return 1
    page = Page(
        viser.ViserServer(host=options.host, port=options.port, label="splatrig", verbose=False),
        options.results,
        heads,
        options.seed,
    )
    page.start()
    logging.getLogger(__name__).info(
        "Open http://%s:%d in a browser; ctrl-c ends.", options.host, page.server.get_port()
    )
    try:
        while True:
            time.sleep(1.0)
    except KeyboardInterrupt:
        page.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
