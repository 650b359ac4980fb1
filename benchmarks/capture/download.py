"""Time planning, fetching, unpacking and linking of Multiface archives: `python benchmarks/capture/download.py`.

Planning reads the full lists of links of two entities of the release. Fetching goes over loopback from the standard
library's server in another process, so it bounds what the client costs, not what a network gives. Unpacking and
linking take a segment of random bytes in the release's layout. Wall time, and the processor time of this process,
which is the steadier number where other programs share the machine.
"""

import functools
import hashlib
import multiprocessing
import os
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from splatrig.capture.archive import below, unpack
from splatrig.capture.download import Client
from splatrig.capture.release import make_release, parse_links, plan, read_entity
from splatrig.capture.retrieve import assemble
from splatrig.config.models import Download
from support.harness import ROOT, Figures, machine, parsed, parser_of

SETTINGS = Download()
SEGMENT = "E001_Neutral_Eyes_Open"
FOLDER = "m--20180227--0000--6795937--GHS"
CAMERAS = 38


@contextmanager
def timed(figures: Figures, what: str, count: int, unit: str, size: int = 0) -> Iterator[None]:
    """Measure a block: wall and processor milliseconds per unit, and MB/s where it moves `size` bytes."""
    wall, processor = time.perf_counter(), time.process_time()
    yield
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    figures.add(f"{what}: wall", 1e3 * wall / count, "ms", f"per {unit}")
    figures.add(f"{what}: processor", 1e3 * processor / count, "ms", f"per {unit}")
    if size:
        figures.add(f"{what}: rate", size / 1e6 / wall, "MB/s")


def time_planning(figures: Figures) -> None:
    """Plan everything that two entities have, from lists of links as long as the published ones."""
    for entity in ("6795937", "5067077"):
        names = read_entity(ROOT / "resources" / "multiface" / f"{entity}.yaml").archive_names()
        text = "".join(f"https://server.invalid/identities/{entity}/{name}\n" for name in names)
        with timed(figures, f"plan {len(names):,} archives", len(names), "archive"):
            archives = make_release(parse_links(text, ""), {})
            segments = sorted({item.segment for item in archives if item.segment})
            plan(archives, segments, ("images", "tracked_mesh", "metadata"), "all")


def make_archive(path: Path, images: int, image_bytes: int) -> None:
    """Write a whole segment's archive: `images` files over the cameras."""
    generator = np.random.default_rng(0)
    with tarfile.open(path, "w") as tar, tempfile.NamedTemporaryFile() as picture:
        for index in range(images):
            picture.seek(0)
            picture.write(generator.bytes(image_bytes))
            picture.flush()
            camera, frame = 400000 + index % CAMERAS, 102 + 3 * (index // CAMERAS)
            tar.add(picture.name, f"{FOLDER}/images/{SEGMENT}/{camera}/{frame:06d}.png")


def serve(folder: str, port: multiprocessing.Queue) -> None:
    """Serve a folder until the process ends."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    port.put(server.server_address[1])
    server.serve_forever()


def time_fetching(archive: Path, target: Path, figures: Figures) -> None:
    """Fetch an archive over loopback, its MD5 checked on the way, and by itself what MD5 costs."""
    size = archive.stat().st_size
    with timed(figures, f"MD5 alone, {size / 1e6:.3g} MB", 1, "archive", size), archive.open("rb") as stream:
        md5 = hashlib.file_digest(stream, "md5").hexdigest()
    queue: multiprocessing.Queue = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(str(archive.parent), queue), daemon=True)
    server.start()
    os.environ["no_proxy"] = "127.0.0.1"
    url = f"http://127.0.0.1:{queue.get()}/{archive.name}"
    with timed(figures, f"fetch and verify over loopback, {size / 1e6:.3g} MB", 1, "archive", size):
        Client(SETTINGS).fetch(url, target, md5)
    server.terminate()
    server.join()


def time_unpacking(archive: Path, folder: Path, images: int, figures: Figures) -> None:
    """Unpack an archive and link its files into a segment."""
    size = archive.stat().st_size
    with timed(figures, f"unpack {images:,} images", images, "image", size):
        unpack(archive, folder / "unpacked", below("images", SEGMENT), size)
    with timed(figures, f"link {images:,} images", images, "image"):
        assemble([folder / "unpacked"], folder / "segment", "all")


def main() -> None:
    """Run all timings and print them."""
    parser = parser_of(__doc__)
    parser.add_argument("--images", type=int, default=5 * CAMERAS, help="full-size images of the segment")
    parser.add_argument("--bytes", type=int, default=2_500_000, help="bytes of a full-size image")
    parser.add_argument("--many", type=int, default=330 * CAMERAS, help="small images, for the cost of a file")
    options = parsed(parser, images=3, bytes=100_000, many=10)
    figures = Figures(options, machine("urllib3"))
    time_planning(figures)
    for images, image_bytes in ((options.images, options.bytes), (options.many, min(20_000, options.bytes))):
        with tempfile.TemporaryDirectory(dir=".") as name:
            folder = Path(name)
            archive = folder / f"images--{SEGMENT}.tar"
            make_archive(archive, images, image_bytes)
            figures.say(f"segment of {images:,} images of {image_bytes:,} bytes")
            time_fetching(archive, folder / "fetched.tar", figures)
            time_unpacking(folder / "fetched.tar", folder, images, figures)
    figures.save()


if __name__ == "__main__":
    main()
