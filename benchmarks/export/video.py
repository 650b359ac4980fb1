"""Time films at full size: python benchmarks/export/video.py [--device cpu] [--batch 1 4 8 16 32] [--encode 96].

A rig as large as Multiface's is made here: 87,652 Gaussians on an ellipsoid of a head's size, facing outwards, 50
components over 13 numbers a Gaussian, spherical harmonics of degree 3, opacities and sizes as after a fit; a track of
smooth weights; a camera that swings about it, 1334 × 2048 pixels. A frame is blended, activated, rendered and made
bytes on the device. Reported: frames a second without and with encoding (H.264, CRF 20), and the stages of one batch.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from splatrig.animation.camera_path import orbit
from splatrig.animation.film import film_in_batches
from splatrig.animation.render import Renderer, render, to_bytes
from splatrig.components.component_file import Components, blend
from splatrig.components.fields import Columns
from splatrig.components.rig import Rig
from splatrig.dataset.cameras import Cameras
from splatrig.gaussians.gaussians import Gaussians
from splatrig.rasterize import Views, activate, rasterize
from support.harness import Figures, machine, need_cuda, parsed, parser_of

HEAD_MM = np.array([78.0, 112.0, 95.0])
MOVED = ("xyz", "f_dc", "rotation", "scale")


def head(count: int, generator: np.random.Generator) -> Gaussians:
    """Return Gaussians evenly on an ellipsoid, flat in its skin, with speckled colors."""
    index = np.arange(count) + 0.5
    z, angle = 1 - 2 * index / count, np.pi * (1 + 5**0.5) * index
    directions = np.stack([np.sqrt(1 - z * z) * np.cos(angle), np.sqrt(1 - z * z) * np.sin(angle), z], axis=1)
    spacing = np.sqrt(4 * np.pi * np.mean(HEAD_MM) ** 2 / count)
    axis = np.cross([0.0, 0.0, 1.0], directions)
    length = np.linalg.norm(axis, axis=1, keepdims=True)
    vectors = axis / np.maximum(length, 1e-9) * np.arctan2(length, directions[:, 2:])
    shapes = np.log(spacing * np.array([0.6, 0.6, 0.15])) + 0.2 * generator.normal(size=(count, 3))
    return Gaussians(
        means=(directions * HEAD_MM).astype(np.float32),
        quats=Rotation.from_rotvec(vectors).as_quat(scalar_first=True).astype(np.float32),
        log_scales=shapes.astype(np.float32),
        logit_opacities=(2.5 + generator.normal(size=count)).astype(np.float32),
        sh0=(0.5 + 0.4 * generator.normal(size=(count, 1, 3))).astype(np.float32),
        shN=(0.05 * generator.normal(size=(count, 15, 3))).astype(np.float32),
    )


def full_size_rig(count: int, components: int, generator: np.random.Generator) -> Rig:
    """Return a rig of smooth bumps and small random changes of color, rotation and size."""
    neutral = head(count, generator)
    parts, columns = [], Columns(MOVED, count)
    for name, first, end in columns.spans:
        if name == "xyz":
            centers = neutral.means[generator.integers(0, count, components)]
            bumps = [np.exp(-((neutral.means - c) ** 2).sum(axis=1) / (2 * 25.0**2)) for c in centers]
            pushes = generator.normal(size=(components, 1, 3)).astype(np.float32) * 4
            parts.append((np.stack(bumps)[:, :, None] * pushes).reshape(components, -1).astype(np.float32))
        else:
            parts.append(0.02 * generator.standard_normal((components, end - first), dtype=np.float32))
    made = Components(
        family="pca", W=np.zeros((1, components), np.float32), C=np.concatenate(parts, axis=1),
        mean=columns.row_of(neutral), std=np.ones(len(columns), np.float32), offset=None, columns=columns,
        faces=np.zeros((0, 3), np.int64),
        face_mask=np.ones(count, bool), frames=("a/1",),
    )  # fmt: skip
    return Rig.of(made, neutral)


def front_camera(width: int, height: int) -> Cameras:
    """Return a camera at 1.07 m with Multiface's field of view."""
    focal = 7700.0 * height / 2048
    K = np.array([[focal, 0.0, width / 2 + 3.3], [0.0, focal, height / 2 - 2.2], [0.0, 0.0, 1.0]])
    viewmat = np.diag([1.0, -1.0, -1.0, 1.0])
    viewmat[2, 3] = 1070.0
    return Cameras(("front",), viewmat[None], K[None], width, height, np.zeros(1, bool))


def track_of(frames: int, components: int, generator: np.random.Generator) -> np.ndarray:  # [frames, components]
    """Return smooth weights."""
    phases, speeds = generator.uniform(0, 2 * np.pi, components), generator.uniform(0.5, 3, components)
    return np.sin(np.linspace(0, 2 * np.pi, frames)[:, None] * speeds + phases)


def synchronise(device: str) -> None:
    """Wait for the device."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds_of(work: Callable[[], object], device: str, repeats: int) -> float:
    """Return the median seconds of `work`, after one call to warm up."""
    work()
    taken = []
    for _ in range(repeats):
        synchronise(device)
        start = time.perf_counter()
        work()
        synchronise(device)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def drain(batches) -> None:
    """Make every batch and keep none."""
    for _ in batches:
        pass


def stages(
    rig: Rig, weights: np.ndarray, path: Cameras, batch: int, device: str, repeats: int
) -> list[tuple[str, float]]:
    """Return milliseconds a frame of the parts of a batch."""
    rows = torch.as_tensor(weights[:batch], dtype=torch.float32, device=device)
    viewmats = torch.as_tensor(path.viewmats[:batch], dtype=torch.float32, device=device)
    Ks = torch.as_tensor(path.Ks[:batch], dtype=torch.float32, device=device)
    behind = torch.zeros(len(rows), 3, device=device)
    with torch.no_grad():
        poses = activate(rig.pose(rows))
        views = Views(viewmats[:, None], Ks[:, None], path.width, path.height, behind[:, None])
        images, _ = rasterize(poses, views)
        parts: list[tuple[str, Callable[[], object]]] = [
            ("blend (W @ basis)", lambda: blend(None, rows, rig.bases[0])),
            ("blend and activate", lambda: activate(rig.pose(rows))),
            ("render", lambda: rasterize(poses, views)),
            ("to bytes", lambda: images.clamp(0.0, 1.0).mul_(255.0).add_(0.5).to(torch.uint8)),
        ]
        return [(name, 1000 * seconds_of(work, device, max(repeats, 3)) / len(rows)) for name, work in parts]


def encoded(rig: Rig, weights: np.ndarray, path: Cameras, batch: int, threads: int, renderer: Renderer) -> float:
    """Return seconds for rendering a film and writing it as MP4."""
    from splatrig.animation.pictures import write_mp4

    def pictures():
        for images in film_in_batches(rig, weights, path, renderer, batch):
            yield from images.cpu().numpy()

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        write_mp4(Path(folder) / "film.mp4", pictures(), frames_per_second=24, threads=threads)
        return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda", help="--smallest: cpu")
    parser.add_argument("--count", type=int, default=87_652)
    parser.add_argument("--components", type=int, default=50)
    parser.add_argument("--size", type=int, nargs=2, default=[1334, 2048], metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--frames", type=int, default=640)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 4, 8, 16, 32])
    parser.add_argument("--encode", type=int, default=0, help="frames to encode; needs imageio-ffmpeg")
    parser.add_argument("--threads", type=int, default=8, help="of the encoder")
    parser.add_argument("--picture", help="write the first frame here, to look at")
    options = parsed(
        parser, device="cpu", count=400, components=3, size=[48, 64], frames=6, repeats=1, batch=[1, 4], encode=4
    )
    if options.device == "cuda":
        need_cuda()
    generator = np.random.default_rng(0)
    rig = full_size_rig(options.count, options.components, generator)
    weights = track_of(options.frames, options.components, generator)
    width, height = options.size
    path = orbit(front_camera(width, height), options.frames, np.zeros(3), degrees=60.0, elevation=0.0, turns=1.0)
    figures = Figures(options, machine("torch", "gsplat", "numba"))
    figures.say(
        f"{options.count} Gaussians, {options.components} components, {options.size[0]}×{options.size[1]} pixels"
    )
    ready, renderer = rig.to(options.device), Renderer(options.device)
    first = next(film_in_batches(ready, weights[:1], path.select([0]), renderer, 1))[0].cpu().numpy()
    one = to_bytes(render(rig.pose(weights[0]), path.select([0]), device=options.device)[0][0])
    difference = np.abs(first.astype(int) - one.astype(int))
    figures.add("picture covered by the head", (first.max(axis=2) > 8).mean(), "fraction")
    figures.add("batched against single render: mean difference", difference.mean(), "of 255")
    figures.add("batched against single render: largest difference", difference.max(), "of 255")
    if options.picture:
        from PIL import Image

        Image.fromarray(first).save(options.picture)
    for batch in options.batch:
        taken = seconds_of(
            lambda batch=batch: drain(film_in_batches(ready, weights, path, renderer, batch)),
            options.device,
            options.repeats,
        )
        figures.add(f"batches of {batch} frames", options.frames / taken, "frames/s")
    for name, taken in stages(ready, weights, path, max(options.batch), options.device, options.repeats):
        figures.add(f"{name}, per frame", taken, "ms")
    if options.device == "cuda":
        figures.add("peak GPU memory", torch.cuda.max_memory_allocated() / 2**30, "GiB")
    if options.encode:
        cut = slice(0, options.encode)
        taken = encoded(ready, weights[cut], path.select(np.arange(options.frames)[cut]), 8, options.threads, renderer)
        figures.add(f"with encoding on {options.threads} threads", len(weights[cut]) / taken, "frames/s")
    figures.save()


if __name__ == "__main__":
    main()
