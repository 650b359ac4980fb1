"""A film as an HTML page, since the report displays pages but offers films and GIFs only for download."""

import base64
import html
from pathlib import Path

from splatrig.io.files import write_text

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ margin: 0; background: #fff; color: #202020; font: 14px system-ui, sans-serif; text-align: center; }}
video {{ max-width: 100%; max-height: 90vh; }}
</style>
<video controls autoplay loop muted playsinline src="data:video/mp4;base64,{film}"></video>
<p>{title}</p>
</html>
"""


def write_film_page(path: str | Path, film: str | Path, title: str) -> None:
    """Write a page that contains the MP4 `film` and plays it in a loop, with `title` below."""
    text = PAGE.format(title=html.escape(title), film=base64.b64encode(Path(film).read_bytes()).decode())
    write_text(path, text)
