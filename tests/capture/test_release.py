from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from splatrig.capture.release import (
    AVERAGE,
    SEGMENT_ASSETS,
    Archive,
    available_segments,
    choose_segments,
    make_release,
    parse_archive_name,
    parse_checksums,
    parse_index,
    parse_links,
    plan,
    read_entity,
    read_release,
    write_release,
)
from splatrig.io.errors import InputError
from support.release_server import listings, miniature

ROOT = Path(__file__).resolve().parents[2]
ENTITIES = sorted((ROOT / "resources" / "multiface").glob("*.yaml"))
URL = "https://somewhere.invalid/identities/1234567"
PUBLISHED_COUNTS = {  # of the lists of links in facebookresearch/multiface, CHECKSUM and index.html included
    "002421669": 23266,
    "002539136": 2346,
    "002643814": 2000,
    "002645310": 18689,
    "002757580": 2864,
    "002914589": 722,
    "2183941": 2387,
    "5067077": 22358,
    "5372021": 2498,
    "6674443": 2527,
    "6795937": 2743,
    "7889059": 2138,
    "8870559": 2897,
}


def links_of(entity: str) -> str:
    """The list of links of a published entity, in full length."""
    names = read_entity(ROOT / "resources" / "multiface" / f"{entity}.yaml").archive_names()
    return "".join(f"{URL}/{name}\n" for name in ["CHECKSUM", *names, "index.html"])


@pytest.mark.parametrize(
    ("name", "asset", "segment", "camera"),
    [
        ("images--E001_Neutral_Eyes_Open.tar", "images", "E001_Neutral_Eyes_Open", None),
        ("images--E002_Swallow_cam400002.tar", "images", "E002_Swallow", "400002"),
        ("tracked_mesh--E074_Blink.tar", "tracked_mesh", "E074_Blink", None),
        ("images--SEN_a_voice_spoke_near-at-hand.tar", "images", "SEN_a_voice_spoke_near-at-hand", None),
        ("unwrapped_uv_1024--EXP_ROM07_camaverage.tar", "unwrapped_uv_1024", "EXP_ROM07", AVERAGE),
        ("images--GAZ_G4_Head-led_24_cam400013.tar", "images", "GAZ_G4_Head-led_24", "400013"),
        ("images--GAZ_g002_400356_neutral_cam400426.tar", "images", "GAZ_g002_400356_neutral", "400426"),
        ("images--GAZ_g002_400356_neutral.tar", "images", "GAZ_g002_400356_neutral", None),
        ("images--GAZ_cam400356_x_cam400426.tar", "images", "GAZ_cam400356_x", "400426"),
        ("metadata.tar", "metadata", None, None),
        ("audio.tar", "audio", None, None),
    ],
)
def test_names_are_read_from_both_ends(name, asset, segment, camera):
    assert parse_archive_name(name) == Archive(name, asset, segment, camera)


@pytest.mark.parametrize(
    "name",
    ["index.html", "CHECKSUM", "images--.tar", "images--A", "pictures--A.tar", "images--A--B.tar", "metadata", "",
     "../images--A.tar", "images--../A.tar", "images--A/B.tar", "images--A.tar.gz"],
)  # fmt: skip
def test_other_names_are_no_archives(name):
    assert parse_archive_name(name) is None


words = st.from_regex(r"[A-Za-z0-9]{1,8}", fullmatch=True)
segments = st.builds(lambda kind, parts, sep: kind + "_" + sep.join(parts), st.sampled_from(["E001", "SEN", "GAZ"]),
                     st.lists(words, min_size=1, max_size=5), st.sampled_from(["_", "-"]))  # fmt: skip
cameras = st.none() | st.just(AVERAGE) | st.integers(400000, 400999).map(str)


@given(st.sampled_from(["images", "unwrapped_uv_1024"]), segments, cameras)
def test_every_name_that_the_grammar_makes_is_read_back(asset, segment, camera):
    name = f"{asset}--{segment}{'' if camera is None else f'_cam{camera}'}.tar"
    assert parse_archive_name(name) == Archive(name, asset, segment, camera)


@pytest.mark.parametrize("path", ENTITIES, ids=lambda path: path.stem)
def test_committed_entities_have_the_published_number_of_archives(path):
    names = read_entity(path).archive_names()
    assert len(names) + 2 == PUBLISHED_COUNTS[path.stem]
    assert len(set(names)) == len(names)
    assert all(parse_archive_name(name) for name in names)


def test_there_are_thirteen_entities():
    assert {path.stem for path in ENTITIES} == set(PUBLISHED_COUNTS)


@pytest.mark.parametrize("entity", ["6795937", "5067077"])
def test_a_full_entity_is_planned(entity):
    text = links_of(entity)
    archives = make_release(parse_links(text, URL), {})
    segments = sorted({item.segment for item in archives if item.segment})
    chosen = plan(archives, segments, ("images", "tracked_mesh", "metadata"), "all")
    assert len(archives) == len(text.splitlines()) - 2
    assert len(chosen) == sum(item.asset in ("images", "tracked_mesh", "metadata") for item in archives)


def test_a_full_index_page_is_read():
    files = dict.fromkeys(read_entity(ROOT / "resources" / "multiface" / "5067077.yaml").archive_names(), b"")
    pages = listings(files, URL)
    links = parse_index(pages["index.html"].decode(), URL)
    sums = parse_checksums(pages["CHECKSUM"].decode(), "CHECKSUM")
    archives = make_release(links, sums)
    assert len(archives) == len(files)
    assert all(item.md5 for item in archives)


def test_index_checksum_and_list_of_links_tell_the_same():
    files = miniature(image_bytes=10)
    pages = listings(files, URL)
    sums = parse_checksums(pages["CHECKSUM"].decode(), "CHECKSUM")
    from_index = make_release(parse_index(pages["index.html"].decode(), URL), sums)
    from_links = make_release(parse_links("\n".join(f"{URL}/{name}" for name in files), "https://else.invalid"), sums)
    from_names = make_release(parse_links("\n".join(sums), URL), sums)
    assert from_index == from_links == from_names
    assert {item.name for item in from_index} == set(files)


def test_links_are_absolute_relative_quoted_and_in_any_case():
    page = '<A HREF="images--A.tar">x</A><a href="sub/images--B.tar?x=1">y</a><a href="/r/audio%2Etar">z</a><a>none</a>'
    assert parse_index(page, URL) == {
        "images--A.tar": f"{URL}/images--A.tar",
        "images--B.tar": f"{URL}/sub/images--B.tar?x=1",
        "audio.tar": "https://somewhere.invalid/r/audio%2Etar",
    }


def test_checksums_take_the_forms_of_md5sum():
    text = "D41D8CD98F00B204E9800998ECF8427E  images--A.tar\r\n\nd41d8cd98f00b204e9800998ecf8427e *./sub/audio.tar\n"
    text += "d41d8cd98f00b204e9800998ecf8427e 123456 metadata.tar"
    assert parse_checksums(text, "CHECKSUM") == dict.fromkeys(
        ("images--A.tar", "audio.tar", "metadata.tar"), "d41d8cd98f00b204e9800998ecf8427e"
    )


@pytest.mark.parametrize("line", ["<html>", "d41d8cd98f00b204e9800998ecf8427 images--A.tar", "d" * 32, "x" * 32 + " a"])
def test_a_damaged_line_of_checksums_is_named(line):
    good = "d41d8cd98f00b204e9800998ecf8427e  images--A.tar\n"
    with pytest.raises(InputError, match=r"CHECKSUM, line 2: expected 32 hexadecimal digits"):
        parse_checksums(good + line + "\n", "CHECKSUM")


def test_two_sums_of_one_file_are_refused():
    text = f"{'a' * 32} images--A.tar\n{'b' * 32} images--A.tar\n"
    with pytest.raises(InputError, match=r"line 2: a second, different sum for images--A\.tar"):
        parse_checksums(text, "CHECKSUM")


@given(st.text(max_size=200))
def test_no_checksum_text_brings_anything_but_sums_or_an_input_error(text):
    try:
        sums = parse_checksums(text, "CHECKSUM")
    except InputError:
        return
    assert all(len(md5) == 32 and "/" not in name for name, md5 in sums.items())


def test_a_release_is_written_and_read_back(tmp_path):
    files = miniature(image_bytes=10)
    archives = make_release({name: f"{URL}/{name}" for name in files}, {"audio.tar": "a" * 32})
    write_release(tmp_path / "release.csv", archives)
    assert read_release(tmp_path / "release.csv") == archives


@pytest.fixture(scope="module")
def archives():
    return make_release({name: f"{URL}/{name}" for name in miniature(image_bytes=10)}, {})


def names(archives):
    return [item.name for item in archives]


def test_a_plan_has_exactly_the_chosen_segments_and_assets(archives):
    chosen = plan(
        archives, ["E074_Blink", "SEN_a_voice_spoke_near-at-hand"], ("images", "tracked_mesh", "metadata"), "all"
    )
    assert names(chosen) == [
        "metadata.tar",
        "images--E074_Blink.tar",
        "tracked_mesh--E074_Blink.tar",
        "images--SEN_a_voice_spoke_near-at-hand_cam400002.tar",
        "images--SEN_a_voice_spoke_near-at-hand_cam400013.tar",
        "images--SEN_a_voice_spoke_near-at-hand_cam400356.tar",
        "tracked_mesh--SEN_a_voice_spoke_near-at-hand.tar",
    ]


def test_a_plan_has_only_the_chosen_cameras(archives):
    segment = "SEN_a_voice_spoke_near-at-hand"
    chosen = plan(archives, [segment], SEGMENT_ASSETS, ["400356", "400002"])
    assert names(chosen) == [
        f"images--{segment}_cam400002.tar",
        f"images--{segment}_cam400356.tar",
        f"tracked_mesh--{segment}.tar",
        f"unwrapped_uv_1024--{segment}_cam400002.tar",
        f"unwrapped_uv_1024--{segment}_cam400356.tar",
        f"unwrapped_uv_1024--{segment}_camaverage.tar",
    ]


def test_a_segment_is_never_matched_by_a_part_of_its_name(archives):
    with pytest.raises(InputError, match=r"images of E074: the release has none; there are 5"):
        plan(archives, ["E074"], SEGMENT_ASSETS, "all")
    extended = [*archives, Archive("images--E074_Blink_twice.tar", "images", "E074_Blink_twice")]
    assert "images--E074_Blink_twice.tar" not in names(plan(extended, ["E074_Blink"], ("images",), "all"))


def test_a_camera_that_a_segment_lacks_is_named(archives):
    with pytest.raises(InputError, match=r"has no camera 400003; did you mean 4000"):
        plan(archives, ["SEN_a_voice_spoke_near-at-hand"], ("images",), ["400003"])


def test_a_segment_that_is_whole_and_split_is_refused(archives):
    mixed = [*archives, Archive("images--E074_Blink_cam400002.tar", "images", "E074_Blink", "400002")]
    with pytest.raises(InputError, match="both whole"):
        plan(mixed, ["E074_Blink"], ("images",), "all")


def test_a_release_without_metadata_is_refused(archives):
    without = [item for item in archives if item.asset != "metadata"]
    with pytest.raises(InputError, match=r"metadata\.tar: the release does not list it"):
        plan(without, [], ("metadata",), "all")


def test_segments_are_chosen_by_name_by_preset_or_all():
    available = ["E001_Neutral", "E003_Closed", "E074_Blink"]
    assert choose_segments("all", [], available[::-1]) == available
    assert choose_segments("multiface_v1", ["E074_Blink", "E002_Swallow", "E001_Neutral"], available) == [
        "E074_Blink",
        "E001_Neutral",
    ]
    assert choose_segments(["E074_Blink"], [], available) == ["E074_Blink"]
    with pytest.raises(InputError, match=r"the capture has no E074_blink; did you mean E074_Blink"):
        choose_segments(["E074_blink"], [], available)


def test_available_segments_come_from_links_then_an_earlier_listing_then_the_committed_entity(tmp_path):
    entity, release, links = tmp_path / "entity.yaml", tmp_path / "release.csv", tmp_path / "links"
    assert available_segments(entity, release, str(links)) is None
    entity.write_bytes((ROOT / "resources" / "multiface" / "6795937.yaml").read_bytes())
    assert len(available_segments(entity, release, None)) == 185
    listed = [Archive(f"{asset}--E074_Blink.tar", asset, "E074_Blink") for asset in ("images", "tracked_mesh")]
    write_release(release, [*listed, Archive("images--E002_Swallow.tar", "images", "E002_Swallow")])
    assert available_segments(entity, release, None) == ["E074_Blink"], "a segment without meshes is of no use"
    links.write_text(links_of("5067077"))
    assert len(available_segments(entity, release, str(links))) == 81


@pytest.mark.parametrize(("name", "count"), [("multiface_v1", 66), ("multiface_v2", 22)])
def test_presets_hold_segments_that_some_entity_has(name, count):
    preset = yaml.safe_load((ROOT / "resources" / "expressions" / f"{name}.yaml").read_text())
    held = {segment for path in ENTITIES for segment in read_entity(path).segments}
    assert len(preset) == len(set(preset)) == count
    assert set(preset) <= held
