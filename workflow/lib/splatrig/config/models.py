"""The configuration: every key with its type, bounds, default and meaning. It is the only list of keys.

Validation, the JSON schema for editors and docs/configuration.md are all generated from these models. Defaults suit a
real capture on a GPU; `workflow/presets` overrides them for other captures. The docstring below a key is what users
read.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from splatrig.config.choices import (
    Background,
    CameraPath,
    Checksums,
    ColorCorrection,
    DataMatrixStorage,
    DemoPerson,
    Device,
    Distance,
    Doctor,
    ExtraAsset,
    FrameSelection,
    Holes,
    LearnedFamily,
    Level,
    PcaWeights,
    Recipe,
    Rest,
    SldcWeights,
    Smoothing,
)
from splatrig.config.names import NAME
from splatrig.config.section import Section
from splatrig.config.support_maps import SupportMaps


def _each_once(values: list[str]) -> list[str]:
    """Return a list of names; raise ValueError if one occurs twice."""
    if len(set(values)) < len(values):
        raise ValueError("each of them once")
    return values


Fraction = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
Word = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]
Family = Annotated[str, Field(pattern="^[a-z]+_[a-z_]+$")]
Track = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_./-]*$")]
Names = Annotated[list[Name], AfterValidator(_each_once), Field(json_schema_extra={"uniqueItems": True})]
Words = Annotated[list[Word], AfterValidator(_each_once), Field(json_schema_extra={"uniqueItems": True}, min_length=1)]
Families = Annotated[
    list[Family], AfterValidator(_each_once), Field(json_schema_extra={"uniqueItems": True}, min_length=1)
]


class HeldOut(Section):
    """Cameras and expressions that are only used for measuring, never for training."""

    cameras: Annotated[str, Field(pattern="^every [1-9][0-9]*(st|nd|rd|th)$")] | Names = "every 8th"
    """Cameras that only measure: every n-th of the sorted names, or a list of names; `[]` holds out none."""
    expressions: Names = []
    """Expressions that only measure: no component is computed from them."""


class Download(Section):
    """Download of the archives of a release."""

    parallel: Annotated[int, Field(ge=1, le=64)] = 4
    """Number of parallel downloads, over all jobs of a run."""
    max_archive_gb: Positive = 64.0
    """Size in GB, packed or unpacked, above which an archive is refused."""
    keep_archives: bool = False
    """Whether the .tar files are kept next to their unpacked content."""
    extra_assets: list[ExtraAsset] = []
    """Assets to download in addition to photographs, meshes and metadata."""
    links: str | None = None
    """A file with one link per line, to use instead of the index.html of the entity."""
    checksums: Checksums = "required"
    """Whether archives that are missing in the release's CHECKSUM file are refused or accepted unchecked."""


class Capture(Section):
    """Origin of the photographs and tracked meshes, and which of them are used."""

    source: Word = "local"
    """Format of the capture: a file of workflow/rules/sources."""
    root: Annotated[str, Field(min_length=1)] | None = None
    """Folder of the capture. Default: `resources/captures/` and the entity or, for the demo, the subject."""
    entity: str | None = None
    """The person to download, of Multiface ("6795937") or of Ava-256 ("20230405--1635--AAN112")."""
    url: str = "https://fb-baas-f32eacb9-8abb-11eb-b2b8-4857dd089e15.s3.amazonaws.com/MugsyDataRelease/v0.0/identities"
    """Address that the release is downloaded from."""
    expressions: Name | Annotated[Names, Field(min_length=1)] = "all"
    """Segments to use: a list, `all` of the capture, or the name of a file of resources/expressions."""
    frames_per_expression: Count = 5
    """Number of tracked frames used per expression; fewer if it has fewer."""
    frame_selection: FrameSelection = "spread"
    """Selection of these frames; `spread` adds the frame farthest from those already chosen."""
    frame_numbers_per_second: Positive = 30.0
    """Frame numbers per second of the capture: at 90, frames 000102 and 000105 are 1/30 s apart."""
    holes: Holes = "skip"
    """Whether missing photographs, and frames that lack a mesh, a pose or most photographs, are left out, or end the
    run."""
    doctor: Doctor = "stop"
    """Whether what cannot be right about a capture ends the run before the first fit, or is only said in the log."""
    cameras: Literal["all"] | Annotated[Names, Field(min_length=1)] = "all"
    """Cameras to use, by name."""
    image_scale: Fraction = 1.0
    """Factor by which photographs are reduced, by area averaging, before anything else."""
    landmarks: str | None = None
    """Table of landmarks of the neutral face, to use instead of detecting them in its photographs."""
    color: ColorCorrection | None = None
    """Color correction of the photographs."""
    eye_distance_mm: Annotated[float, Field(ge=30, le=90)] | None = None
    """Distance of the pupils in millimeters, which scales the calibration of photographs alone if it has no unit."""
    background: Background = "silhouette"
    """Separation of head and background: by the tracked mesh's silhouette, the capture's own masks, an image of the
    empty background, a network that finds people, or not at all."""
    held_out: HeldOut = HeldOut()
    download: Download = Download()


class Demo(Section):
    """The synthetic capture: its person and its size."""

    person: DemoPerson = "first"
    """Person that is rendered: `second` has another shape and skin on the same topology."""
    cameras: Annotated[int, Field(ge=3, le=64)] = 16
    """Number of cameras, on a half dome around the face."""
    image_height: Annotated[int, Field(ge=32, le=2048)] = 256
    """Height of the photographs in pixels; the width follows Multiface's 1334:2048."""
    samples: Annotated[int, Field(ge=1, le=64)] = 4
    """Number of rays per pixel."""
    frames: Annotated[int, Field(ge=1, le=100)] = 3
    """Number of frames per segment, from onset to peak."""
    tracking_noise_mm: NonNegative = 0.15
    """Standard deviation of the noise on every tracked vertex, in millimeters."""


class Mesh(Section):
    """Subdivision levels and the face mask."""

    subdivisions: Annotated[int, Field(ge=0, le=3)] = 2
    """Number of midpoint subdivisions of the tracked mesh; the finest level carries the Gaussians."""
    tracked_vertices: Annotated[int, Field(ge=200, le=20000)] = 3500
    """Number of vertices of the tracked mesh if it is made by the workflow: for photographs alone, and for the demo. It
    has about as many, and at most the 3,401 of the template."""
    mask_center: Literal["auto"] | Annotated[int, Field(ge=0)] = "auto"
    """Center of the face mask: the tip of the nose, or a vertex of the tracked mesh without unreferenced vertices."""
    mask_fraction: Fraction = 0.57
    """Fraction of the vertices of the tracked mesh in the face mask, those nearest to its center."""


class Fitting(Section):
    """Per-frame fits."""

    recipe: Recipe = "warm"
    """Recipe of the fits: `warm` starts every frame from the neutral; `original` fits every frame from scratch, as the
    original project did."""
    rasterizer: Word = "auto"
    """Rasterizer for fitting and for rendering; `auto` uses gsplat on a GPU and numba on a CPU."""
    sh_degree: Annotated[int, Field(ge=0, le=3)] = 3
    """Degree of the spherical harmonics of the view-dependent color."""
    neutral_steps: Count = 2000
    """Optimization steps of the neutral frame, with one camera per step."""
    frame_steps: Count = 200
    """Optimization steps of every other frame, which starts from the neutral; use 400 to 1,000 if frames differ
    much."""
    original_steps: Count = 10000
    """Optimization steps of every frame with the original recipe."""


class Sldc(Section):
    """Sparse localized deformation components (Neumann et al. 2013)."""

    attribute: Word = "xyz"
    """Data that is decomposed: one attribute, or `all` of `components.attributes` with the same supports."""
    sparsity: NonNegative = 1.0
    """Sparsity weight λ. The same value gives the same sparsity for every support map."""
    distance: Distance = "relative"
    """Unit of the support maps' parameters: the largest distance on the mesh, or millimeters."""
    weights: SldcWeights = "nonnegative"
    """Range of the weights: `nonnegative` is [0, 1] with maximum 1, `signed` is [-1, 1]."""
    centers: list[Annotated[int, Field(ge=0)]] = []
    """Vertices of the tracked mesh around which the first components stay."""
    symmetric: bool = False
    """Whether components off the midline of the face come in left and right pairs."""
    supports: SupportMaps = SupportMaps()


class Components(Section):
    """Deformation components of the fitted frames."""

    k: Count = 20
    """Number of components of every family, learned ones included; sparse PCA, which is slow, makes half as many."""
    rest: Rest = "neutral"
    """Shape at zero weights: the neutral face, or the mean of all frames."""
    attributes: Words = ["xyz", "f_dc", "rotation", "scale"]
    """Attributes that components move, in the order of the matrix; opacity and f_rest may be added."""
    data_matrix: DataMatrixStorage = "store"
    """Standardized rows in component files: stored in each, linked from SLDC's to PCA's, or omitted."""
    units: str | None = "auto"
    """Known face units to name components after: a .csv of weights or .npz of shapes. `auto` uses ARKit's blendshapes
    on this head or, for the demo, the weights that made it."""
    pca_weights: PcaWeights = "uniform"
    """Gaussians that PCA weighs: all equally, or only those of the face mask."""
    mbspca_sparsity: NonNegative = 1.0
    """Sparsity of sparse PCA, scikit-learn's alpha."""
    sldc: Sldc = Sldc()


class Learned(Section):
    """Rigs learned through the rasterizer: base, components and weights together, without per-frame fits."""

    families: list[LearnedFamily] = ["arkit", "global", "local"]
    """Families to learn: `arkit` starts from ARKit's 52 blendshapes, `local` from SLDC, both with weights in [0, 1];
    `global` starts from PCA."""
    level: Level = "finest"
    """Subdivision level at which components are optimized; use `base` for few photographs."""
    steps: Count = 12000
    """Optimization steps."""
    photographs_per_step: Count = 4
    """Photographs per step, each of a different frame; a multiple of `devices`."""
    devices: Count = 1
    """GPUs of one machine that learn a rig together, one process each (without GPUs: number of processes)."""
    back_faces: Annotated[float, Field(ge=-1, le=1)] | None = None
    """Cosine beyond which Gaussians that face away from a camera are hidden from it; use 0.2 for few photographs."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Fraction of the Gaussians hidden at random in every step; use 0.1 for few photographs."""
    free: Annotated[float, Field(ge=0, le=20)] = 1.0
    """Number of Gaussians beyond the tracked mesh (hair, teeth, tongue) per vertex of the finest level; 0: none."""
    sparsity: NonNegative = 1.0
    """Sparsity weight λ of the SLDC that gives local components their supports."""
    memory_gib: Positive = 16.0
    """Host memory per process for decoded photographs (GiB). Larger sets are streamed in windows of half this size."""
    solve_steps: Count = 200
    """Optimization steps for the weights of one unseen frame, solved from its photographs."""


class Rendering(Section):
    """Images and animations of components."""

    families: Families = ["pca_all", "sldc_gauss_xyz", "learned_arkit", "learned_global", "learned_local"]
    """Families to render; learned ones only if `learned.families` has them."""
    components: Count = 6
    """Number of components to render per family."""
    image_height: Annotated[int, Field(ge=64, le=4096)] = 512
    """Height of the images in pixels; the width follows the capture's."""


class Evaluation(Section):
    """Measurements in addition to the comparison of methods."""

    sparsities: Annotated[list[NonNegative], Field(min_length=1)] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0]
    """Sparsity weights λ of SLDC to compare."""
    learned_folds: Annotated[int, Field(ge=0)] = 0
    """Number of expressions for which rigs are learned again without them, one at a time; each takes as long as all
    rigs."""


class Control(Section):
    """Posing and animating the head."""

    families: Families | None = None
    """Families that move the head together; the first defines the rest face. Default: all of `learned.families`."""
    smoothing: Smoothing | None = None
    """Filter for tracks from fitted or tracked frames."""
    segments: Names = []
    """Segments of the capture with tracked meshes, learned from or not, for which tracks are made."""
    web_head: bool = True
    """Whether the head is packed into one HTML file; without it three.js and Spark are not retrieved."""


class Video(Section):
    """Films of tracks, as MP4 and GIF."""

    family: Family | None = None
    """Family whose weights the tracks hold. Default: the first of `learned.families`."""
    tracks: Annotated[list[Track], AfterValidator(_each_once)] = ["tour"]
    """Tracks to film: tour, an expression, or mesh/SEGMENT."""
    path: CameraPath = "orbit"
    """Motion of the camera: around the head, from one calibrated camera to the next, or none."""
    cameras: Names = []
    """Calibrated cameras at which the path starts or through which it goes; none: the most frontal ones."""
    height: Annotated[int, Field(ge=64, le=4096)] = 1024
    """Height of the film in pixels; the width follows the capture's."""
    fps: Annotated[float, Field(gt=0, le=240)] = 24.0
    """Frames per second of the MP4 and of exported tracks; the GIF has half as many."""


class Export(Section):
    """Files for other programs."""

    family: Family | None = None
    """Family whose components become morph targets. Default: the first of `learned.families`."""
    poses: Names = ["neutral"]
    """Poses to write as PLY, SPZ and GLB: neutral, an expression, or a moment of a track such as tour-2.5s."""
    mesh_level: Level = "finest"
    """Level of the mesh with morph targets."""


class Config(Section):
    """The complete configuration."""

    preset: Name | None = None
    """File of workflow/presets, which overrides the defaults for one kind of capture."""
    subject: Name | None = None
    """Name of results/{subject}. Default: the folder of the capture."""
    subjects: dict[Name, dict[str, Any] | None] | Names = []
    """Several people of one study: a list of names, or names with the keys that differ; `{subject}` in any other
    value is replaced by the name."""
    neutral: Name
    """Expression whose first frame is the neutral face."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    """Seed of all random numbers."""
    device: Device = "auto"
    """Device of the tensors; `auto` uses a GPU if there is one."""
    capture: Capture = Capture()
    demo: Demo = Demo()
    mesh: Mesh = Mesh()
    fitting: Fitting = Fitting()
    components: Components = Components()
    learned: Learned = Learned()
    rendering: Rendering = Rendering()
    evaluation: Evaluation = Evaluation()
    control: Control = Control()
    video: Video = Video()
    export: Export = Export()
