"""The tracked mesh of a frame, checked and transformed to head space."""

import logging
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatrig.capture.frame_files import FrameFiles
from splatrig.dataset.pose import read_pose, to_head, to_world
from splatrig.io.errors import InputError
from splatrig.io.files import File
from splatrig.mesh.normals import faces_outward
from splatrig.mesh.obj import ObjMesh, read_obj
from splatrig.mesh.ply import read_ply_vertices
from splatrig.mesh.topology import Pruning, bad_edges, merged_seams, prune_unreferenced

logger = logging.getLogger(__name__)

SPACE_TOLERANCE_MM = 0.1
"""Largest distance of the OBJ from R·bin + t (or from bin), enough for text with four decimals of meter-long
vectors."""


_SIZES_MM = (50.0, 5000.0)
"""Range of diagonals that a tracked head may have; in meters or centimeters it would be smaller."""

_HEAD_MM = (150.0, 800.0)
"""Range of diagonals of heads, with or without neck and shoulders."""

_APART_MM = 0.1
"""Largest distance between the two sides of a seam in any frame."""

_TRIMMING_ROUNDS = 5
"""Rounds of fitting a rigid motion and keeping the half of the vertices that it fits best."""

_INSIDE_OUT = -0.2
"""Balance of outward faces below which a mesh is inside out; the insides of mouth and sockets reduce it only little."""


@dataclass(frozen=True)
class Topology:
    """The mesh topology that all frames share, taken from one frame's OBJ file."""

    source: File
    """The OBJ file."""
    mesh: ObjMesh
    """Content of the OBJ file; its positions are not used."""
    pruning: Pruning
    """Map to the vertices that faces reference; its faces are oriented outwards."""
    uv_faces: NDArray[np.int64] | None  # [T, 3]
    """Corners of those faces into the UVs of `mesh`, -1 where a face has none; None when no face has any."""
    copies: NDArray[np.int64]  # [S, 2]
    """Pairs of vertices of `mesh`: one that is left out because a texture seam duplicates it, and the one that stands
    for it."""

    def pruned(self, path: File, positions: NDArray[np.float64]) -> NDArray[np.float64]:  # [V_all, 3] -> [V, 3]
        """Return the positions in millimeters of the kept vertices from those of all vertices of a frame.

        Raises InputError naming `path` where the two sides of a seam come apart.
        """
        sides = positions[self.copies]
        gaps = np.linalg.norm(sides[:, 0] - sides[:, 1], axis=1)
        if (gaps > _APART_MM).any():
            raise InputError(
                f"{path}: {np.count_nonzero(gaps > _APART_MM)} vertices are {gaps.max():.3g} mm away from their copies "
                f"beyond a texture seam, expected less than {_APART_MM:g} mm as in {self.source}, where the seams are "
                "closed; merge the vertices of seams in all meshes, or take a neutral whose lips and lids do not touch."
            )
        return positions[self.pruning.kept]


def read_topology(source: File) -> Topology:
    """Read the topology from an OBJ file; flip it if it is inside out, and close it where texture seams split it.

    Edges at which no surface can be oriented are named in the log.
    """
    mesh = read_obj(source)
    faces, uv_faces = mesh.faces, mesh.uv_faces
    if faces_outward(mesh.vertices, faces) < _INSIDE_OUT:
        logger.warning("%s: the faces are inside out (clockwise); they are flipped", source)
        faces, uv_faces = faces[:, ::-1], None if uv_faces is None else uv_faces[:, ::-1]
    merged = merged_seams(mesh.vertices, faces)
    copied = np.flatnonzero(merged != np.arange(len(merged)))
    if len(copied):
        faces = merged[faces]
        whole = (np.diff(np.sort(faces, axis=1), axis=1) > 0).all(axis=1)
        faces, uv_faces = faces[whole], None if uv_faces is None else uv_faces[whole]
        logger.warning(
            "%s: the mesh is torn at its texture seams: %d vertices of its border duplicate others at the same "
            "positions; they are merged, the same ones in all frames",
            *(source, len(copied)),
        )
    pruning = prune_unreferenced(faces, len(mesh.vertices))
    manifold, oriented = bad_edges(pruning.faces)
    if manifold or oriented:
        logger.warning(
            "%s: %d edges have more than two triangles, %d have two triangles of opposite orientation; normals there "
            "are unreliable",
            *(source, manifold, oriented),
        )
    return Topology(source, mesh, pruning, uv_faces, np.stack([copied, merged[copied]], axis=1))


def check_topology(path: File, mesh: ObjMesh, expected: Topology) -> None:
    """Raise InputError naming `path` and the first difference between its mesh and the expected topology."""
    reference = expected.mesh
    differences = []
    if len(mesh.vertices) != len(reference.vertices):
        differences.append(f"{len(mesh.vertices)} vertices, not {len(reference.vertices)}")
    if len(mesh.faces) != len(reference.faces):
        differences.append(f"{len(mesh.faces)} triangles, not {len(reference.faces)}")
    else:
        rows = np.flatnonzero((mesh.faces != reference.faces).any(axis=1))
        if rows.size:
            face, other = mesh.faces[rows[0]] + 1, reference.faces[rows[0]] + 1
            differences.append(
                f"{rows.size} other triangles, the first at {rows[0] + 1}: {face.tolist()}, not {other.tolist()}"
            )
    if differences:
        raise InputError(
            f"{path}: another topology than {expected.source}: {'; '.join(differences)}. "
            "All frames must share one mesh; leave this frame out or track it again."
        )


@dataclass(frozen=True)
class TrackedFrame:
    """One frame of the tracking, in head space."""

    vertices: NDArray[np.float64]  # [V, 3] millimeters, pruned
    head_to_world: NDArray[np.float64]  # [3, 4]


class Tracker(Protocol):
    """Reader of the tracked frames of a capture, which have one topology."""

    @property
    def topology(self) -> Topology:
        """The mesh that all frames share."""
        ...

    def read(self, files: FrameFiles) -> TrackedFrame:
        """Read one frame completely and check it."""
        ...

    def positions(self, files: FrameFiles) -> NDArray[np.float64]:  # [V, 3]
        """Return the head-space positions of one frame, without the checks of `read`."""
        ...


class Tracking:
    """Reader of tracked frames in the raw layout, which detects the space of their OBJ files."""

    def __init__(self, topology: Topology) -> None:
        """Expect every frame to have `topology`."""
        self.topology = topology
        self._spaces: dict[str, File] = {}

    def read(self, files: FrameFiles) -> TrackedFrame:
        """Read one frame completely: topology, positions, pose, and the space of the OBJ, which is checked.

        Where the frame has a .bin (head space by definition), positions are taken from it and obj ≈ R·bin + t (world)
        or obj ≈ bin (head) must hold; otherwise the OBJ's space follows from the pose. Raises InputError naming the
        file for another topology, an invalid number, a unit other than millimeters, or an OBJ that fits neither space
        or another space than other frames.
        """
        assert files.mesh is not None and files.pose is not None
        pose = read_pose(files.pose)
        mesh = read_obj(files.mesh)
        check_topology(files.mesh, mesh, self.topology)
        positions = self.topology.pruned(files.mesh, mesh.vertices)
        if files.positions is None:
            space = space_by_pose(positions, pose)
            head = to_head(positions, pose) if space == "world" else positions
        else:
            head = self.positions(files)
            space = space_by_check(files.mesh, positions, head, pose)
        self._agree(space, files)
        check_size(files.positions or files.mesh, head)
        return TrackedFrame(head, pose)

    def positions(self, files: FrameFiles) -> NDArray[np.float64]:
        """Return the head-space positions [V, 3] of one frame, from the .bin alone where there is one."""
        if files.positions is None:
            return self.read(files).vertices
        every = read_positions(files.positions, len(self.topology.mesh.vertices))
        head = self.topology.pruned(files.positions, every)
        check_finite(files.positions, head)
        return head

    def _agree(self, space: str, files: FrameFiles) -> None:
        """Log once how the space was decided; raise InputError when frames disagree."""
        assert files.mesh is not None
        if space == "either":
            return
        if space not in self._spaces:
            how = "its pose alone (no .bin)" if files.positions is None else "the check of obj against R·bin + t"
            logger.info("%s: the OBJ files are in %s space, by %s", files.mesh, space, how)
        self._spaces.setdefault(space, files.mesh)
        if len(self._spaces) > 1:
            places = " but ".join(f"{path} is in {name} space" for name, path in self._spaces.items())
            raise InputError(
                f"tracked meshes: {places}, expected one space for all OBJ files; export all of them in world space."
            )


@dataclass(frozen=True)
class TemplateTracking:
    """Reader of tracked frames that are only positions, in head space, of the vertices of one template mesh."""

    topology: Topology

    def read(self, files: FrameFiles) -> TrackedFrame:
        """Read positions and pose; raise InputError naming the file for a wrong count, a bad number or another unit."""
        assert files.mesh is not None and files.pose is not None
        head = self.positions(files)
        check_size(files.mesh, head)
        return TrackedFrame(head, read_pose(files.pose))

    def positions(self, files: FrameFiles) -> NDArray[np.float64]:  # [V, 3]
        """Return the head-space positions of one frame."""
        assert files.mesh is not None
        vertices, expected = read_ply_vertices(files.mesh), len(self.topology.mesh.vertices)
        if len(vertices) != expected:
            raise InputError(
                f"{files.mesh}: expected {expected} vertices as {self.topology.source} has, got {len(vertices)}; bring "
                "the template mesh of this release."
            )
        head = self.topology.pruned(files.mesh, vertices)
        check_finite(files.mesh, head)
        return head


def rigid_motion(
    reference: NDArray[np.float64],  # [V, 3] millimeters
    vertices: NDArray[np.float64],  # [V, 3]
) -> tuple[float, float]:
    """Return the translation in millimeters and the rotation in degrees of a head relative to a reference.

    It is the motion that `rigid_fit` finds, which an open jaw or puffed cheeks do not change.
    """
    turn, step = rigid_fit(reference, vertices)
    center = reference.mean(axis=0)
    return float(np.linalg.norm(turn.apply(center) + step - center)), float(np.degrees(turn.magnitude()))


def rigid_fit(
    reference: NDArray[np.float64],  # [V, 3] millimeters
    vertices: NDArray[np.float64],  # [V, 3]
) -> tuple[Rotation, NDArray[np.float64]]:
    """Return rotation and translation [3] that map a reference to where most of `vertices` are.

    It is the rigid motion of the half of the vertices that moves most alike (least trimmed squares, Rousseeuw 1984).
    """
    kept = np.ones(len(reference), dtype=bool)
    for _ in range(_TRIMMING_ROUNDS):
        before, after = reference[kept].mean(axis=0), vertices[kept].mean(axis=0)
        turn, _ = Rotation.align_vectors(vertices[kept] - after, reference[kept] - before)
        misses = np.linalg.norm(vertices - after - turn.apply(reference - before), axis=1)
        kept = misses <= np.median(misses)
    return turn, after - turn.apply(before)


def check_size(path: File, vertices: NDArray[np.float64]) -> None:
    """Raise InputError if a head cannot have the size that its positions have in millimeters."""
    size = float(np.linalg.norm(np.ptp(vertices, axis=0)))
    if not _SIZES_MM[0] <= size <= _SIZES_MM[1]:
        raise InputError(
            f"{path}: the tracked mesh is {size:.3g} mm from corner to corner, expected {_SIZES_MM[0]:g} to "
            f"{_SIZES_MM[1]:g}{_guessed_unit(size)}; meshes, .bin files, poses and KRT must be in millimeters."
        )


def _guessed_unit(size: float) -> str:
    """Return the words for the unit in which this size would be that of a head, or ""."""
    for name, factor in (("meters", 1000.0), ("centimeters", 10.0)):
        if _HEAD_MM[0] <= factor * size <= _HEAD_MM[1]:
            return f" (it looks like {name})"
    return ""


def read_positions(path: File, vertex_count: int) -> NDArray[np.float64]:
    """Read a .bin of head-space positions [V, 3], little-endian float32; raise InputError when its size is wrong."""
    content = path.read_bytes()
    if len(content) != 12 * vertex_count:
        raise InputError(
            f"{path}: expected {vertex_count} vertices × 12 bytes = {12 * vertex_count}, got {len(content)} bytes; "
            "copy the file again, or write it for this topology."
        )
    return np.frombuffer(content, dtype="<f4").reshape(-1, 3).astype(np.float64)


def check_finite(path: File, positions: NDArray[np.float64]) -> None:
    """Raise InputError when a referenced position is NaN or infinite."""
    bad = np.flatnonzero(~np.isfinite(positions).all(axis=1))
    if bad.size:
        raise InputError(
            f"{path}: expected finite positions, got NaN or infinity at {bad.size} vertices; track it again."
        )


def space_by_check(
    path: File, positions: NDArray[np.float64], head: NDArray[np.float64], pose: NDArray[np.float64]
) -> str:
    """Return the space of OBJ `positions` [V, 3], given the positions in head space: `world`, `head` or `either`.

    Raises InputError naming `path` with both distances when they lie in neither.
    """
    world_error = float(np.abs(positions - to_world(head, pose)).max())
    head_error = float(np.abs(positions - head).max())
    if world_error > SPACE_TOLERANCE_MM < head_error:
        for axis in range(3):
            mirrored = head * np.where(np.arange(3) == axis, -1.0, 1.0)
            errors = [np.abs(positions - place).max() for place in (to_world(mirrored, pose), mirrored)]
            if min(errors) <= SPACE_TOLERANCE_MM:
                raise InputError(
                    f"{path}: the .bin is mirrored against the OBJ, expected obj = R·bin + t or obj = bin; change the "
                    f"sign of its {'xyz'[axis]} in all .bin files."
                )
        raise InputError(
            f"{path}: the OBJ fits neither R·bin + t (off by {world_error:.3g} mm) nor bin (off by {head_error:.3g} "
            f"mm), expected one of them within {SPACE_TOLERANCE_MM} mm; .obj, .bin and _transform.txt are of different "
            "frames or units."
        )
    if world_error <= SPACE_TOLERANCE_MM and head_error <= SPACE_TOLERANCE_MM:
        return "either"
    return "world" if world_error <= SPACE_TOLERANCE_MM else "head"


def space_by_pose(positions: NDArray[np.float64], pose: NDArray[np.float64]) -> str:
    """Return the space of OBJ `positions` [V, 3], `world` or `head`, when there is no .bin to check against.

    A head's center lies near the origin of head space, which the pose maps to t in the world: the nearer of the two
    decides. A pose that moves the head by less than its center is off the origin decides nothing; then `world`, the
    documented space, is returned.
    """
    center = positions.mean(axis=0)
    return "world" if np.linalg.norm(center - pose[:, 3]) <= np.linalg.norm(center) else "head"
