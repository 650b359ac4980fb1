"""Names of the demo's cameras; light to import, since every call of Snakemake needs them."""

WORLD_CAMERA = "400029"
WIDE_CAMERAS = ("400009", "400023")
OTHER_CAMERAS = tuple(
    f"4000{number:02d}"
    for number in (
        *(2, 4, 6, 7, 12, 13, 14, 15, 16, 17, 18, 19, 24, 26, 27, 28, 30, 31, 37, 39, 41, 42, 48, 49, 50, 51, 53, 59),
        *(60, 61, 63, 64, 69, 1, 3, 5, 8, 10, 11, 20, 21, 22, 25, 32, 33, 34, 35, 36, 38, 40, 43, 44, 45, 46, 47, 52),
        *(54, 55, 56, 57, 58),
    )
)


def camera_names(count: int) -> list[str]:
    """Return the names of the demo's first `count` cameras, sorted."""
    return sorted([WORLD_CAMERA, *WIDE_CAMERAS, *OTHER_CAMERAS[: count - 3]])
