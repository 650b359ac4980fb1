"""The page in a browser, on a head of ARKit's blendshapes: groups, search, symmetric pairs, what the capture shows."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from splatrig.blendshapes import arkit
from splatrig.control.web.page import groups_of, mirrors_of
from support.web_page import LOCAL, UNTOLD, Opened, arkit_head, opened_in_browser, write_page


@pytest.fixture(scope="module")
def page_of_blendshapes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    path = tmp_path_factory.mktemp("arkit") / "head.html"
    write_page(arkit_head(), path)
    with opened_in_browser(path.as_uri(), offline=True) as found:
        yield found
    assert found.errors == []


@pytest.fixture
def page(page_of_blendshapes: Opened) -> Opened:
    page_of_blendshapes.page.locator("#search").fill("")
    page_of_blendshapes.page.locator("#link").set_checked(False)
    page_of_blendshapes.page.locator("#reset").click()
    return page_of_blendshapes


def end(page: Opened, name: str, key: str = "End") -> None:
    slider = page.page.locator(f"input[data-component='{arkit.NAMES.index(name)}']")
    slider.focus()
    slider.press(key)


def moved(page: Opened) -> set[str]:
    return {arkit.NAMES[k] for k in np.flatnonzero(page.weights())}


def visible(page: Opened) -> list[str]:
    return [text.strip() for text in page.page.locator(".slider:visible span").all_inner_texts()]


def test_every_blendshape_is_in_the_group_where_animators_look_for_it():
    groups = {group["title"]: [arkit.NAMES[k] for k in group["components"]] for group in groups_of(arkit.NAMES)}
    assert {title: set(names) for title, names in groups.items()} == {
        title: set(names) for title, names in arkit.GROUPS.items()
    }
    assert sum(map(len, groups.values())) == len(arkit.NAMES)
    for names in groups.values():
        for left, right in pairwise(names):
            assert not left.endswith("Left") or right == arkit.mirrored(left)
    correctives = (*arkit.NAMES, "jawOpen × mouthPucker")
    assert groups_of(correctives)[-1] == {"title": "more", "components": [52]}


def test_mirror_images_are_found_by_name_or_as_the_model_knows_them():
    mirrors = mirrors_of(arkit.NAMES, None)
    for k, name in enumerate(arkit.NAMES):
        assert mirrors[k] == (-1 if arkit.mirrored(name) == name else arkit.NAMES.index(arkit.mirrored(name)))
    assert mirrors_of(("a", "b", "eyeBlinkLeft"), np.array([1, 0, -1])) == [1, 0, -1]


def test_the_page_shows_the_groups_of_the_first_family(page):
    folders = page.page.locator("details[data-family=learned_arkit] > details")
    assert folders.evaluate_all("(all) => all.map(({ dataset }) => dataset.group)") == list(arkit.GROUPS)
    assert page.page.locator("#drag-with").input_value() == "learned_arkit"
    assert page.page.locator(f"details[data-family={LOCAL}] details").count() == 0
    sliders = page.page.locator("details[data-family=learned_arkit] input[type=range]")
    ends = sliders.evaluate_all("(all) => all.map(({ min, max }) => [Number(min), Number(max)])")
    assert ends == [[0, 1]] * len(arkit.NAMES)


def test_a_group_is_folded_and_brought_to_rest_alone(page):
    for name in ("jawOpen", "browInnerUp", "browDownLeft"):
        end(page, name)
    brows = page.page.locator("details[data-group=brows]")
    brows.locator("button").click()
    assert moved(page) == {"jawOpen"}
    assert brows.get_attribute("open") is not None
    page.page.locator("#undo").click()
    assert moved(page) == {"jawOpen", "browInnerUp", "browDownLeft"}
    before = len(visible(page))
    brows.locator("summary").click(position={"x": 20, "y": 8})
    assert before - len(visible(page)) == len(arkit.GROUPS["brows"])
    brows.locator("summary").click(position={"x": 20, "y": 8})


def test_search_finds_sliders_by_name_in_folded_groups_too(page):
    jaw = page.page.locator("details[data-group=jaw]")
    jaw.evaluate("(folder) => { folder.open = false; }")
    page.page.locator("#search").fill("OPEN jaw")
    assert visible(page) == ["jawOpen"]
    page.page.locator("#search").fill("smile")
    assert visible(page) == ["mouthSmileLeft", "mouthSmileRight"]
    assert jaw.is_hidden()
    for nothing in ("no such slider", "double click"):  # which all of them say
        page.page.locator("#search").fill(nothing)
        assert visible(page) == []
    page.page.locator("#search").fill("")
    assert jaw.get_attribute("open") is None  # as before
    jaw.evaluate("(folder) => { folder.open = true; }")


def test_pairs_move_together_when_they_are_linked_and_only_then(page):
    end(page, "mouthSmileLeft")
    assert moved(page) == {"mouthSmileLeft"}
    page.page.locator("#link").check()
    end(page, "eyeBlinkRight")
    end(page, "jawOpen")
    assert moved(page) == {"mouthSmileLeft", "eyeBlinkRight", "eyeBlinkLeft", "jawOpen"}
    end(page, "eyeBlinkLeft", "Home")
    assert moved(page) == {"mouthSmileLeft", "jawOpen"}


def test_blendshapes_that_the_capture_does_not_show_are_dim_and_say_so(page):
    dim = page.page.locator(".slider.untold")
    assert sorted(text.strip() for text in dim.locator("span").all_inner_texts()) == sorted(UNTOLD)
    assert all("not in the capture" in row.get_attribute("title") for row in dim.all())
    end(page, "cheekPuff")
    assert moved(page) == {"cheekPuff"}
