"""What the page says in a browser to files that do not do, and that it goes on afterwards."""

import os
from pathlib import Path

import pytest
from PIL import Image

from pipeline.applications.demo.showing import MAX_UPLOAD
from tests.applications.demo.running import RESULT, running, show
from tests.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.browser]

SUBJECT = "#subject input[type=file]"
SAID = "[...document.querySelectorAll('.too-large:not([hidden])')].map(said => said.innerText)"
DROPPED = """(place => {{
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array({size})], "dropped.png", {{type: "image/png"}}));
    for (const kind of ["dragenter", "dragover", "drop"])
        place.dispatchEvent(new DragEvent(kind, {{bubbles: true, cancelable: true, dataTransfer: data}}));
}})(document.querySelector("#sample img"))"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Of a running demo, which has a detector where there are networks to test with."""
    networks = Path(os.environ.get("FACET_SHARED") or ROOT.parent / "shared").resolve() / "models"
    with running(tmp_path_factory.mktemp("refusing"), FACET_ASSETS=str(networks)) as (_, place):
        yield place


@pytest.fixture
def large(tmp_path):
    """A file of 21 MB."""
    file = tmp_path / "large.png"
    file.touch()
    os.truncate(file, 21 * 2**20)
    return file


def opened(tab, address, width=1280):
    """The page, with nothing where the subject was."""
    tab.open(address, width=width)
    tab.until(f"{RESULT}?.naturalWidth && !!document.querySelector('#subject img')")
    tab.value("document.querySelector('#subject button[aria-label=\"Remove Image\"]').click()")
    tab.until(f"!!document.querySelector('{SUBJECT}')")


def goes_on(tab):
    """A head for the subject, and the result of it; nothing was wrong in the console on the way."""
    before = tab.value(f"{RESULT}?.src ?? ''")
    tab.value("document.querySelectorAll('#subject-heads .thumbnail-item')[3].click()")
    tab.until("document.querySelector('#subject img')?.naturalWidth == 256")
    tab.value("document.querySelector('#recombine').click()")
    tab.until(f"{RESULT}?.naturalWidth == 32 && {RESULT}.src != {before!r}")
    assert tab.value("document.querySelector('#recombined-words [role=alert]')") is None
    assert tab.complaints == []


def refused(tab, file):
    """What the page says when a subject is uploaded and recombined."""
    tab.choose(SUBJECT, file)
    tab.until(f"document.querySelector('#subject img')?.src.endsWith('{file.name}')")
    tab.value("document.querySelector('#recombine').click()")
    tab.until("document.querySelector('#recombined-words [role=alert]')?.offsetWidth")
    assert not tab.value(f"!!{RESULT}")
    return tab.value("document.querySelector('#recombined-words').innerText").strip()


@pytest.mark.parametrize("width", [1280, 390])
def test_a_file_over_the_limit_is_refused_where_it_was_chosen_and_never_sent(tab, address, large, width):
    assert large.stat().st_size > MAX_UPLOAD
    sentence = "“large.png”: more than 20 MB; choose a smaller file."
    opened(tab, address, width)
    tab.choose(SUBJECT, large)
    assert tab.until(f"{SAID}.length && {SAID}") == [sentence]
    above, below = (
        tab.value(f"document.querySelector('{one}').getBoundingClientRect().{side}")
        for one, side in ((".too-large:not([hidden])", "bottom"), ("#subject", "top"))
    )
    assert 0 < below - above < 40
    assert tab.value("document.documentElement.scrollWidth") == width
    goes_on(tab)
    assert tab.value(SAID) == []
    for name, button, place in (("Film", "#act", "#clip"), ("Grid", "#grid", "[role=tabpanel]:not([hidden])")):
        show(tab, name, button)
        tab.choose(f"{place} input[type=file]", large)
        assert tab.until(f"{SAID}.length && {SAID}")[-1] == sentence
    assert not [url for url in tab.requests if "/upload" in url]
    assert tab.complaints == []


def test_one_that_is_dropped_is_refused_likewise(tab, address):
    opened(tab, address)
    tab.value(DROPPED.format(size=MAX_UPLOAD + 1))
    assert tab.until(f"{SAID}.length && {SAID}") == ["“dropped.png”: more than 20 MB; choose a smaller file."]
    assert not [url for url in tab.requests if "/upload" in url]
    tab.value("document.querySelectorAll('#sample-heads .thumbnail-item')[2].click()")
    tab.until("document.querySelector('#sample img')?.naturalWidth == 256")
    assert tab.value(SAID) == []
    tab.value(DROPPED.format(size=1000))
    tab.until("document.querySelector('#sample img')?.src.endsWith('dropped.png')")
    assert tab.value(SAID) == []


def test_words_that_are_named_as_a_picture_are_refused_in_the_page(tab, address, tmp_path):
    (tmp_path / "x.png").write_text("no picture\n" * 40)
    opened(tab, address)
    said = refused(tab, tmp_path / "x.png")
    assert said.startswith("The subject does not do: not an image of a kind that is read here (JPEG, PNG")
    assert said.endswith("Choose another picture, with one large face.")
    goes_on(tab)


@pytest.mark.shared
def test_a_photograph_without_a_face_is_refused_in_the_page(tab, address, shared, tmp_path):
    with Image.open(next((shared / "faces" / "london").glob("*/neutral.jpg"))) as photograph:
        width, height = photograph.size
        photograph.crop((0, height * 6 // 7, width, height)).save(tmp_path / "collar.jpg")
    opened(tab, address)
    said = refused(tab, tmp_path / "collar.jpg")
    assert said == "The subject does not do: no face was found. Choose another picture, with one large face."
    goes_on(tab)
