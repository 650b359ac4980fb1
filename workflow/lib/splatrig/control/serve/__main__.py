"""Command `python -m splatrig.control.serve results/demo`: open the web head of a finished run.

This is a command, not a rule: it runs until it is interrupted, and it makes nothing that another rule needs.
"""

import argparse
import logging
import sys
from contextlib import ExitStack
from pathlib import Path

from splatrig.control.serve.live import PORT, LiveLink
from splatrig.control.serve.run import Run
from splatrig.control.serve.server import HOST, Server
from splatrig.io.errors import InputError

logger = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Serve the page until interrupted; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m splatrig.control.serve", description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path, nargs="?", default=Path("results/demo"), help="results/{subject}")
    parser.add_argument("--port", type=int, default=8080, help="0: any free port")
    parser.add_argument(
        "--host", default=HOST, help=f"name or address to listen on ({HOST}: this machine alone; 0.0.0.0: every one)"
    )
    parser.add_argument(
        "--live-link",
        type=int,
        nargs="?",
        const=PORT,
        metavar="PORT",
        help=f"listen for Live Link Face on this UDP port of every interface ({PORT} if not given; 0: any free one)",
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        with ExitStack() as opened:
            live = None if options.live_link is None else opened.enter_context(LiveLink(options.live_link))
            server = opened.enter_context(Server(Run(options.results), options.port, live, options.host))
            if live is not None:
                logger.info("Listening for Live Link Face on UDP port %d of every interface.", live.port)
            where = "in a browser" if server.is_private else "in a browser, here or on another machine of the network"
            logger.info("Open %s %s; ctrl-c ends.", server.address, where)
            if not server.is_private:
                logger.info("Whoever reaches that address sees the head and its photographs; nothing is encrypted.")
            server.serve_forever()
    except InputError as error:
        logger.error("error: %s", error)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
