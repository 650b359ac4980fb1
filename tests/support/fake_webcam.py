"""A webcam for tests: Chromium's own, which plays a file; every image tells its number in its corner."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = (640, 480)
"""Width and height: what the page asks for, so that nothing is scaled."""
FPS = 10
BITS, CELL = 6, 24
"""A number is so many squares of so many pixels, white for 1, the lowest first."""

READ_NUMBERS = f"""(head) => {{
    window.seen = [];
    const own = window.createImageBitmap.bind(window);
    const context = new OffscreenCanvas({BITS * CELL}, {CELL}).getContext("2d", {{ willReadFrequently: true }});
    window.number = -1;
    window.createImageBitmap = async (video) => {{
        const image = await own(video);
        context.drawImage(image, 0, 0);
        const row = context.getImageData(0, {CELL // 2}, {BITS * CELL}, 1).data;
        const isWhite = (bit) => row[4 * ({CELL} * bit + {CELL // 2})] > 128;
        window.number = [...Array({BITS}).keys()].reduce((sum, bit) => sum + (isWhite(bit) ? 1 << bit : 0), 0);
        return image;
    }};
    const take = head.live.take.bind(head.live);
    head.live.take = (weights, turn) => {{
        window.seen.push({{ number: window.number, weights, turn }});
        take(weights, turn);
    }};
}}"""
"""A function of the page that keeps what is found in each image, with its number, as `window.seen`."""


def flags(path: Path) -> tuple[str, ...]:
    """Return the flags with which Chromium has the webcam that plays `path`, and lets every page see it."""
    return (
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={path}",
    )


def write_video(path: Path, photographs: Sequence[NDArray[np.uint8]], order: Sequence[int]) -> None:
    """Write photographs [H, W, 3], as large as fits, in an order, as a video that starts again at its end."""
    images = [_frame(photograph, number) for number, photograph in enumerate(photographs)]
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{SIZE[0]} H{SIZE[1]} F{FPS}:1 Ip A1:1 C420jpeg\n".encode())
        for number in order:
            file.write(b"FRAME\n" + images[number])


def _frame(photograph: NDArray[np.uint8], number: int) -> bytes:
    image = Image.fromarray(photograph)
    scale = min(SIZE[0] / image.width, SIZE[1] / image.height)
    image = image.resize((round(scale * image.width), round(scale * image.height)), Image.Resampling.BICUBIC)
    whole = Image.new("RGB", SIZE, (40, 40, 40))
    whole.paste(image, ((SIZE[0] - image.width) // 2, (SIZE[1] - image.height) // 2))
    for bit in range(BITS):
        shade = 235 if number >> bit & 1 else 16
        whole.paste((shade, shade, shade), (CELL * bit, 0, CELL * (bit + 1), CELL))
    luma, *chroma = whole.convert("YCbCr").split()
    half = (SIZE[0] // 2, SIZE[1] // 2)
    return luma.tobytes() + b"".join(plane.resize(half, Image.Resampling.BILINEAR).tobytes() for plane in chroma)
