"""Synthesize the demo capture: the rig once, then images and tracked meshes of each segment."""

import logging
import zlib
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from embreex import rtcore_scene
from embreex.mesh_construction import TriangleMesh
from numpy.typing import NDArray

from splatrig.capture.demo.atlas import Atlas, build_atlas, texel_hits
from splatrig.capture.demo.expressions import frame_names, frame_weights
from splatrig.capture.demo.hair import grow_hair
from splatrig.capture.demo.head import FineHead, HeadModel, load_head, refine
from splatrig.capture.demo.identity import PEOPLE
from splatrig.capture.demo.labels import label_pixels, triangle_labels
from splatrig.capture.demo.lashes import Lashes, root_lashes
from splatrig.capture.demo.lighting import illuminate, stage_lights
from splatrig.capture.demo.raw import to_raw, write_png, write_tracked_frame
from splatrig.capture.demo.render import develop, pose_head, render
from splatrig.capture.demo.rig import REST_POSE, build_cameras, head_poses
from splatrig.capture.demo.skin import eye_centers
from splatrig.capture.demo.stage import background
from splatrig.capture.demo.strands import Strands
from splatrig.capture.demo.tracked import TrackedMesh, build_tracked_mesh, tracking_noise
from splatrig.capture.krt import as_krt, write_krt
from splatrig.capture.labels import write_labels
from splatrig.capture.nearest import filled
from splatrig.config.models import Demo
from splatrig.dataset.cameras import Cameras
from splatrig.io.files import atomic_directory, atomic_path
from splatrig.jobs.progress import track
from splatrig.mesh.normals import vertex_normals

TEXTURE_SIZE = 1024
"""Width and height of `tex_mean.png`, as in Multiface."""
SENSOR_NOISE = (0.0012, 0.00035)
"""Standard deviation in the dark, and variance by signal, of raw values in 0..1."""
REACH_MM = 14.0
"""Largest distance of the head's surface from the tracked mesh when `tex_mean.png` is sampled from it."""
_CSR_PARTS = ("data", "indices", "indptr")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rig:
    """Cameras, background, texture and hair that all segments share."""

    cameras: Cameras
    backgrounds: NDArray[np.float32]  # [C, H, W, 3]
    """Linear radiance of the stage."""
    atlas: Atlas
    mesh: TrackedMesh
    hair: Strands
    lashes: Lashes


def build_rig(head: HeadModel, fine: FineHead, first: HeadModel, config: Demo, seed: int, tracked_vertices: int) -> Rig:
    """Build cameras, stage, texture, hair, and the tracked mesh, whose topology is that of the `first` person."""
    cameras = build_cameras(config.cameras, config.image_height, seed)
    surface = (fine.operator @ first.neutral)[: len(first.neutral)]
    size = int(np.clip(4 * config.image_height, 512, 2048))
    generator = np.random.default_rng([seed, 7])
    hair = grow_hair(head, fine, PEOPLE[config.person].hair, generator)
    return Rig(
        cameras=cameras,
        backgrounds=np.stack([background(cameras, index, seed) for index in range(len(cameras))]),
        atlas=build_atlas(head, fine, size, seed),
        mesh=build_tracked_mesh(first, surface, tracked_vertices),
        hair=hair,
        lashes=root_lashes(fine, fine.operator @ head.neutral, eye_centers(head), generator),
    )


def write_rig(head_path: str | Path, config: Demo, seed: int, tracked_vertices: int, outputs: dict[str, str]) -> None:
    """Write `KRT`, `tex_mean.png` and the rig that `write_segment` reads.

    Args:
        head_path: The retrieved head file.
        config: Size and number of images and cameras.
        seed: Seed of all random choices.
        tracked_vertices: Number of vertices of the tracked mesh, about.
        outputs: Paths of the files by `krt`, `tex_mean` and `rig`.
    """
    head = load_head(head_path, PEOPLE[config.person])
    fine = refine(head)
    rig = build_rig(head, fine, load_head(head_path), config, seed, tracked_vertices)
    order = np.random.default_rng([seed, 5]).permutation(len(rig.cameras))
    write_krt(outputs["krt"], as_krt(rig.cameras.select(order)))
    with atomic_path(outputs["tex_mean"]) as temporary:
        write_png(temporary, mean_texture(head, fine, rig)[::-1])
    with atomic_path(outputs["rig"]) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **_to_arrays(rig))  # type: ignore[arg-type]
    logger.info("%d cameras of %d x %d", len(rig.cameras), rig.cameras.width, rig.cameras.height)
    logger.info("tracked mesh: %d vertices, %d faces", len(rig.mesh.offsets), len(rig.mesh.faces))


def write_segment(
    head_path: str | Path,
    rig_path: str | Path,
    segment: str,
    peak: dict[str, float],
    config: Demo,
    seed: int,
    outputs: dict[str, str],
) -> None:
    """Render a segment and write its images, masks, labels and tracked meshes.

    Args:
        head_path: The retrieved head file.
        rig_path: File that `write_rig` has written.
        segment: Name of the segment.
        peak: Weights of the face units at the peak of the segment.
        config: Size and number of images and cameras.
        seed: Seed of all random choices.
        outputs: Folders by `images`, `masks`, `labels` and `tracked_mesh`.
    """
    head, rig = load_head(head_path, PEOPLE[config.person]), load_rig(rig_path)
    fine, lights = refine(head), stage_lights()
    names, poses = frame_names(segment, config.frames), head_poses(segment, config.frames, seed)
    generator = np.random.default_rng([seed, 6, zlib.crc32(segment.encode())])
    errors = tracking_noise(rig.mesh, config.frames, config.tracking_noise_mm, generator)
    labels = triangle_labels(head, fine, rig.hair, rig.lashes)
    primary = shadow = 0
    with (
        atomic_directory(outputs["images"]) as pictures,
        atomic_directory(outputs["masks"]) as mattes,
        atomic_directory(outputs["labels"]) as parts,
        atomic_directory(outputs["tracked_mesh"]) as meshes,
    ):
        for camera in rig.cameras.names:
            for folder in (pictures, mattes, parts):
                (folder / camera).mkdir()
        frames = zip(names, poses, errors, frame_weights(peak, config.frames), strict=True)
        for frame, pose, error, weights in track(frames, segment, unit="frame", total=config.frames):
            vertices = fine.operator @ head.posed(weights)
            write_tracked_frame(meshes, frame, rig.mesh, rig.mesh.positions(vertices) + error, pose)
            posed = pose_head(fine, vertices, lights, pose, rig.hair, rig.lashes)
            shadow += posed.shadow_rays
            cameras = rig.cameras.in_head_space(pose)
            for index, camera in enumerate(cameras.names):
                seen, met, rays = render(posed, rig.atlas, cameras, index, config.samples)
                primary += rays
                raw = to_raw(develop(seen[..., :3] + (1.0 - seen[..., 3:]) * rig.backgrounds[index]))
                write_png(pictures / camera / f"{frame}.png", raw, sensor_noise(raw, generator))
                write_png(mattes / camera / f"{frame}.png", seen[..., 3])
                write_labels(parts / camera / f"{frame}.png", label_pixels(met, labels))
    logger.info("%d images, %d camera rays, %d shadow rays", config.frames * len(rig.cameras), primary, shadow)


def sensor_noise(
    raw: NDArray[np.float32],  # [H, W, 3]
    generator: np.random.Generator,
) -> NDArray[np.float32]:  # [H, W, 3]
    """Draw read and shot noise for raw values in 0..1."""
    dark, shot = SENSOR_NOISE
    return generator.standard_normal(raw.shape, dtype=np.float32) * np.sqrt(dark**2 + shot * raw)


def mean_texture(head: HeadModel, fine: FineHead, rig: Rig) -> NDArray[np.float32]:
    """Return raw colors [S, S, 3] for the tracked mesh's UVs (first row at v = 0), from the lit neutral head."""
    vertices = fine.operator @ head.neutral
    normals = vertex_normals(vertices, fine.triangles)
    scene = rtcore_scene.EmbreeScene()
    TriangleMesh(scene, vertices.astype(np.float32), fine.triangles)
    light, _ = illuminate(fine, scene, vertices, normals, stage_lights(), REST_POSE)

    coarse = rig.mesh.positions(vertices)
    upward = vertex_normals(coarse, rig.mesh.faces)
    row, column, face, weights = texel_hits(rig.mesh.uvs[rig.mesh.face_uvs], TEXTURE_SIZE)
    corners = rig.mesh.faces[face]
    normal = np.einsum("kc,kcd->kd", weights, upward[corners]).astype(np.float32)
    start = np.einsum("kc,kcd->kd", weights, coarse[corners]).astype(np.float32) + REACH_MM * normal
    hits = scene.run(start, -normal, output=True)
    met = (hits["primID"] >= 0) & (hits["tfar"] < 2.0 * REACH_MM)
    triangle = hits["primID"][met]
    u, v = hits["u"][met], hits["v"][met]
    weights = np.stack([1.0 - u - v, u, v], axis=1)
    uvs = np.einsum("kc,kcd->kd", weights, fine.triangle_uvs[triangle])
    size = len(rig.atlas.albedo)
    texel = np.clip((uvs * size).astype(int), 0, size - 1)
    albedo = np.square(rig.atlas.albedo[texel[:, 1], texel[:, 0]] / np.float32(255.0))
    received = np.einsum("kc,kcd->kd", weights, light.irradiance[fine.triangles[triangle]])
    image = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE, 3), dtype=np.float32)
    image[row[met], column[met]] = to_raw(develop(albedo * received))
    painted = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE), dtype=bool)
    painted[row[met], column[met]] = True
    return filled(image, painted)


def _to_arrays(rig: Rig) -> dict[str, NDArray]:
    carrier = rig.mesh.carrier.tocsr()
    return {
        "names": np.array(rig.cameras.names),
        "viewmats": rig.cameras.viewmats,
        "Ks": rig.cameras.Ks,
        "backgrounds": rig.backgrounds.astype(np.float16),
        **vars(rig.atlas),
        **{f"carrier_{part}": np.asarray(getattr(carrier, part)) for part in (*_CSR_PARTS, "shape")},
        **{name: array for name, array in vars(rig.mesh).items() if name != "carrier"},
        **{f"hair_{name}": array for name, array in vars(rig.hair).items()},
        **{f"lashes_{name}": array for name, array in vars(rig.lashes).items()},
    }


def load_rig(path: str | Path) -> Rig:
    """Read the rig that `write_rig` wrote."""
    with np.load(path) as data:
        backgrounds = data["backgrounds"].astype(np.float32)
        count, height, width = backgrounds.shape[:3]
        names = tuple(data["names"].tolist())
        cameras = Cameras(names, data["viewmats"], data["Ks"], width, height, np.zeros(count, dtype=bool))
        parts = tuple(data[f"carrier_{part}"] for part in _CSR_PARTS)
        carrier = sp.csr_matrix(parts, shape=tuple(data["carrier_shape"]))
        return Rig(
            cameras=cameras,
            backgrounds=backgrounds,
            atlas=Atlas(data["albedo"], data["shine"], data["bump"]),
            mesh=TrackedMesh(carrier, data["offsets"], data["faces"], data["uvs"], data["face_uvs"]),
            hair=Strands(**{field.name: data[f"hair_{field.name}"] for field in fields(Strands)}),
            lashes=Lashes(**{field.name: data[f"lashes_{field.name}"] for field in fields(Lashes)}),
        )
