"""Ray-trace a posed head: embree finds what each ray meets, one compiled loop shades it."""

from dataclasses import dataclass

import numpy as np
from embreex import rtcore_scene
from embreex.mesh_construction import TriangleMesh
from numpy.typing import NDArray

from splatrig.capture.demo.atlas import GRADIENT_STEP, Atlas
from splatrig.capture.demo.head import FineHead
from splatrig.capture.demo.lashes import Lashes
from splatrig.capture.demo.lighting import Illumination, Lights, illuminate, illuminate_strands
from splatrig.capture.demo.strands import Strands
from splatrig.dataset.cameras import Cameras
from splatrig.jobs.kernels import cached_njit
from splatrig.mesh.normals import vertex_normals

EXPOSURE = 0.72
ROUND_STRENGTH = 0.53
"""Strength of the broad highlight of skin; its exponent is 16, four squarings."""
WET_HIGHLIGHT = (240.0, 3.4)
"""Exponent and strength of the sharp highlight of eyes, lips, teeth."""
WET_FROM = 0.95
"""Cosine under which the sharp highlight is below 1e-5 and skipped."""


@dataclass(frozen=True)
class PosedHead:
    """A head in one frame, in head space, ready to be rendered."""

    scene: rtcore_scene.EmbreeScene
    triangles: NDArray[np.int32]  # [t, 3]
    triangle_uvs: NDArray[np.float32]  # [t, 3, 2]
    skin_triangles: int
    """The first ones, of the head itself; those of strands follow."""
    normals: NDArray[np.float32]  # [m, 3]
    light: Illumination
    highlights: NDArray[np.float32]  # [h, 3]
    """Directions towards the lamps, in head space."""
    highlight_colors: NDArray[np.float32]  # [h, 3]
    box: NDArray[np.float64]  # [8, 3]
    shadow_rays: int


def pose_head(
    fine: FineHead,
    vertices: NDArray[np.float64],  # [m, 3]
    lights: Lights,
    head_to_world: NDArray[np.float64],  # [3, 4]
    hair: Strands | None = None,
    lashes: Lashes | None = None,
) -> PosedHead:
    """Prepare a frame: normals, acceleration structure and light; `vertices` in head space, millimeters."""
    normals = vertex_normals(vertices, fine.triangles)
    strands = [] if hair is None else [hair]
    strands += [] if lashes is None else [lashes.posed(vertices)]
    scene = rtcore_scene.EmbreeScene()
    all_vertices, triangles, uvs = [vertices.astype(np.float32)], [fine.triangles], [fine.triangle_uvs]
    for own in strands:
        triangles.append(own.triangles + np.int32(sum(map(len, all_vertices))))
        uvs.append(own.triangle_uvs)
        all_vertices.append(own.vertices)
    TriangleMesh(scene, np.concatenate(all_vertices), np.concatenate(triangles))
    light, shadow_rays = illuminate(fine, scene, vertices, normals, lights, head_to_world)
    lit = [light]
    for own in strands:
        light, rays = illuminate_strands(scene, own, lights, head_to_world)
        lit.append(light)
        shadow_rays += rays
    low, high = (reach(np.concatenate(all_vertices), axis=0) for reach in (np.min, np.max))
    box = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    return PosedHead(
        scene=scene,
        triangles=np.concatenate(triangles),
        triangle_uvs=np.concatenate(uvs),
        skin_triangles=len(fine.triangles),
        normals=np.concatenate([normals.astype(np.float32), *(own.normals for own in strands)]),
        light=Illumination(*(np.concatenate([getattr(each, name) for each in lit]) for name in vars(lit[0]))),
        highlights=(lights.highlights @ head_to_world[:, :3]).astype(np.float32),
        highlight_colors=lights.highlight_colors.astype(np.float32),
        box=box,
        shadow_rays=shadow_rays,
    )


def render(
    head: PosedHead,
    atlas: Atlas,
    cameras: Cameras,
    index: int,
    samples: int,
) -> tuple[NDArray[np.float32], NDArray[np.int32], int]:
    """Render camera `index`; return its image, the triangle that each ray meets, and the number of rays.

    That is linear radiance and coverage [H, W, 4] (premultiplied), and the triangle of every ray [H, W, samples], -1
    where it meets none. `cameras` must be in head space. Only pixels of the head's bounding box get rays.
    """
    view, K = cameras.viewmats[index], cameras.Ks[index]
    rotation = view[:3, :3]
    center = (-rotation.T @ view[:3, 3]).astype(np.float32)
    in_camera = head.box @ rotation.T + view[:3, 3]
    pixels = in_camera @ K.T
    pixels = pixels[:, :2] / pixels[:, 2:]
    low = np.clip(np.floor(pixels.min(axis=0)) - 1, 0, [cameras.width, cameras.height]).astype(int)
    high = np.clip(np.ceil(pixels.max(axis=0)) + 1, 0, [cameras.width, cameras.height]).astype(int)
    image = np.zeros((cameras.height, cameras.width, 4), dtype=np.float32)
    met = np.full((cameras.height, cameras.width, samples), -1, dtype=np.int32)
    if (high <= low).any():
        return image, met, 0
    to_head = (rotation.T @ np.linalg.inv(K)).astype(np.float32)
    directions = _ray_directions(to_head, low, high, sample_offsets(samples))
    hits = head.scene.run(np.broadcast_to(center, directions.shape).copy(), directions, output=True)
    part = image[low[1] : high[1], low[0] : high[0]]
    shaded = np.zeros((part.shape[0] * part.shape[1], 4), dtype=np.float32)
    _shade(
        shaded,
        samples,
        (hits["primID"], hits["u"], hits["v"]),
        directions,
        (head.triangles, head.triangle_uvs, head.normals, head.skin_triangles),
        (head.light.irradiance, head.light.main, head.light.visible),
        (head.highlights, head.highlight_colors),
        (atlas.albedo, atlas.shine, atlas.bump),
    )
    part[:] = shaded.reshape(part.shape)
    met[low[1] : high[1], low[0] : high[0]] = hits["primID"].reshape(*part.shape[:2], samples)
    return image, met, len(directions)


def sample_offsets(samples: int) -> NDArray[np.float32]:  # [samples, 2]
    """Return sub-pixel positions in 0..1 that fill the pixel evenly around its center (a golden-ratio lattice)."""
    index = np.arange(samples)
    rows = (index * 0.6180339887498949) % 1.0
    places = np.column_stack([(index + 0.5) / samples, rows])
    places[:, 1] += 0.5 - places[:, 1].mean()
    return (places % 1.0).astype(np.float32)


def develop(linear: NDArray[np.float32]) -> NDArray[np.float32]:  # [..., 3] -> [..., 3]
    """Return the displayed image, 0..1: exposure, a soft shoulder, and an sRGB-like gamma."""
    exposed = EXPOSURE * np.maximum(linear, 0.0)
    toned = exposed * (1.0 + exposed / 9.0) / (1.0 + 0.62 * exposed)
    return np.minimum(0.92 * np.power(toned, 1.0 / 2.2), 1.0)


@cached_njit()
def _ray_directions(to_head, low, high, offsets):  # type: ignore[no-untyped-def]
    """Return unit directions [pixels * samples, 3] through the samples of the pixels in a box, row by row."""
    samples = offsets.shape[0]
    directions = np.empty(((high[1] - low[1]) * (high[0] - low[0]) * samples, 3), dtype=np.float32)
    ray = 0
    for row in range(low[1], high[1]):
        for column in range(low[0], high[0]):
            for sample in range(samples):
                x, y = column + offsets[sample, 0], row + offsets[sample, 1]
                dx = to_head[0, 0] * x + to_head[0, 1] * y + to_head[0, 2]
                dy = to_head[1, 0] * x + to_head[1, 1] * y + to_head[1, 2]
                dz = to_head[2, 0] * x + to_head[2, 1] * y + to_head[2, 2]
                length = np.sqrt(dx * dx + dy * dy + dz * dz)
                directions[ray, 0] = dx / length
                directions[ray, 1] = dy / length
                directions[ray, 2] = dz / length
                ray += 1
    return directions


@cached_njit()
def _texel(texture, u, v, out):  # type: ignore[no-untyped-def]
    """Sample a texture [S, S, c] at (u, v) bilinearly."""
    size = texture.shape[0]
    x = min(max(u * size - 0.5, 0.0), size - 1.001)
    y = min(max(v * size - 0.5, 0.0), size - 1.001)
    column, row = int(x), int(y)
    fx, fy = np.float32(x - column), np.float32(y - row)
    for channel in range(texture.shape[2]):
        bottom = texture[row, column, channel] * (1 - fx) + texture[row, column + 1, channel] * fx
        top = texture[row + 1, column, channel] * (1 - fx) + texture[row + 1, column + 1, channel] * fx
        out[channel] = bottom * (1 - fy) + top * fy


@cached_njit()
def _shade(shaded, samples, hits, directions, mesh, light, lamps, atlas):  # type: ignore[no-untyped-def]
    """Add the radiance of every hit to its pixel: bump-mapped diffuse light, and two highlights per lamp."""
    triangle_of, hit_u, hit_v = hits
    triangles, triangle_uvs, vertex_normal, skin_triangles = mesh
    irradiance, main, visible = light
    lamp_directions, lamp_colors = lamps
    albedo_map, shine_map, bump_map = atlas
    albedo, shine, bump = np.zeros(3, np.float32), np.zeros(2, np.float32), np.zeros(3, np.float32)
    normal, radiance = np.zeros(3, np.float32), np.zeros(3, np.float32)
    weights, received, towards = np.zeros(3, np.float32), np.zeros(3, np.float32), np.zeros(3, np.float32)
    share = np.float32(1.0 / samples)
    for ray in range(triangle_of.shape[0]):
        triangle = triangle_of[ray]
        if triangle < 0:
            continue
        weights[0], weights[1], weights[2] = 1.0 - hit_u[ray] - hit_v[ray], hit_u[ray], hit_v[ray]
        normal[:], received[:], towards[:] = 0.0, 0.0, 0.0
        u = v = np.float32(0.0)
        for corner in range(3):
            vertex, weight = triangles[triangle, corner], weights[corner]
            u += weight * triangle_uvs[triangle, corner, 0]
            v += weight * triangle_uvs[triangle, corner, 1]
            for axis in range(3):
                normal[axis] += weight * vertex_normal[vertex, axis]
                received[axis] += weight * irradiance[vertex, axis]
                towards[axis] += weight * main[vertex, axis]
        _texel(albedo_map, u, v, albedo)
        _texel(shine_map, u, v, shine)
        _texel(bump_map, u, v, bump)
        length = np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2) + 1e-12
        if triangle >= skin_triangles:
            away = np.float32(0.0)
            for axis in range(3):
                away += normal[axis] * directions[ray, axis]
            length = -length if away > 0.0 else length  # ribbons have two sides
        facing = np.float32(0.0)
        for axis in range(3):
            normal[axis] /= length
            facing -= normal[axis] * directions[ray, axis]
        before = normal[0] * towards[0] + normal[1] * towards[1] + normal[2] * towards[2]
        along = (normal[0] * bump[0] + normal[1] * bump[1] + normal[2] * bump[2]) * np.float32(GRADIENT_STEP)
        length = np.float32(0.0)
        for axis in range(3):
            normal[axis] += along * normal[axis] - np.float32(GRADIENT_STEP) * bump[axis]
            length += normal[axis] ** 2
        length = np.sqrt(length)
        after = np.float32(0.0)
        for axis in range(3):
            normal[axis] /= length
            after += normal[axis] * towards[axis]
        turn = min(max((after + np.float32(0.05)) / (before + np.float32(0.05)), 0.3), 1.8)
        back = np.float32(1.0) if facing > 0.0 else np.float32(0.15)
        for channel in range(3):
            reflectance = (albedo[channel] / np.float32(255.0)) ** 2
            radiance[channel] = reflectance * received[channel] * turn * back
        if facing > 0.0:
            grazing = 1.0 - facing if facing < 1.0 else 0.0
            fresnel = np.float32(0.30 + 0.70 * grazing**4)
            for lamp in range(lamp_directions.shape[0]):
                seen = np.float32(0.0)
                for corner in range(3):
                    seen += weights[corner] * visible[triangles[triangle, corner], lamp]
                if seen <= 0.0:
                    continue
                half, length = np.float32(0.0), np.float32(0.0)
                for axis in range(3):
                    middle = lamp_directions[lamp, axis] - directions[ray, axis]
                    half += middle * normal[axis]
                    length += middle * middle
                half /= np.sqrt(length)
                if half <= 0.0:
                    continue
                lobe = half * half
                lobe *= lobe
                lobe *= lobe
                gloss = fresnel * np.float32(ROUND_STRENGTH / 255.0) * shine[0] * lobe * lobe
                if half > WET_FROM and shine[1] > 0.0:
                    gloss += np.float32(WET_HIGHLIGHT[1] / 255.0) * shine[1] * half ** np.float32(WET_HIGHLIGHT[0])
                for channel in range(3):
                    radiance[channel] += gloss * seen * lamp_colors[lamp, channel]
        pixel = ray // samples
        for channel in range(3):
            shaded[pixel, channel] += share * radiance[channel]
        shaded[pixel, 3] += share
