"""`demo` as people meet it: in a browser that reaches this machine alone, by fifty at once, and with each mistake."""

import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from pipeline import paths
from pipeline.applications.demo import serving
from pipeline.applications.demo.showing import MAX_UPLOAD
from pipeline.datasets.shards import encode
from pipeline.errors import UserError
from tests.applications.acting.filming import plain, write
from tests.applications.demo.running import RESULT, command, running, show
from tests.applications.test_recombine import save_model
from tests.conftest import ROOT
from tests.test_smoke import STRACE, addresses, can_trace, is_this_machine


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The running command, its folder, and its address; every connection that it makes is written down."""
    top = tmp_path_factory.mktemp("demo")
    with running(top, [*STRACE, "-o", str(top / "trace")] if can_trace() else []) as (process, address):
        yield process, top, address


@pytest.fixture
def client(served, tmp_path):
    from gradio_client import Client

    return Client(
        served[2],
        verbose=False,
        analytics_enabled=False,
        download_files=str(tmp_path / "down"),
        httpx_kwargs={"timeout": 200},
    )


def head(number):
    """A picture of one colour, in which there is no face."""
    return encode(np.full((64, 64, 3), number, np.uint8))


def size(file):
    with Image.open(file) as picture:
        return picture.size


def photographed(tab, file):
    """The page as it is seen, in grey levels, [H, W]."""
    tab.picture(file)
    with Image.open(file) as picture:
        return np.asarray(picture.convert("L"), np.float32)


def fetched(address, host=None):
    request = urllib.request.Request(address, headers={"Host": host} if host else {})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


@pytest.mark.slow
@pytest.mark.browser
def test_a_browser_without_a_network_chooses_a_head_and_sees_the_result(served, tab, tmp_path):
    tab.open(served[2])
    before = tab.until(f"{RESULT}?.naturalWidth && {RESULT}.src")
    subject = "document.querySelector('#subject img').src"
    chosen = tab.value(subject)
    tab.value("document.querySelectorAll('#subject-heads .thumbnail-item')[3].click()")
    tab.until(f"{subject} != {chosen!r}")
    tab.value("document.querySelector('#recombine').click()")
    shown = tab.until(f"{RESULT}?.naturalWidth && {RESULT}.src != {before!r} && {RESULT}.src")
    assert tab.value(f"{RESULT}.naturalWidth") == 32
    assert tab.value(f"{RESULT}.getBoundingClientRect().width") > 300
    assert "own identity encoder" in tab.value("document.querySelector('#recombined-words').textContent")
    assert "does badly on photographs" in tab.value("document.querySelector('#about').textContent")
    assert tab.until("document.querySelector('#on-photographs img')?.naturalWidth") == 564
    assert b"synthetic, made by Facet" in fetched(shown)
    wide = photographed(tab, tmp_path / "wide.png")
    tab.open(served[2], width=390, height=844)
    tab.until(f"{RESULT}?.naturalWidth")
    narrow = photographed(tab, tmp_path / "narrow.png")
    assert (wide.shape[1], narrow.shape[1]) == (1280, 390)
    assert len(narrow) > len(wide)  # what stood beside something stands below it
    for page in (wide, narrow):
        printed = np.abs(page - np.median(page)) > 20
        assert 0.02 < printed.mean() < 0.9
    assert tab.value("document.documentElement.scrollWidth") == 390
    elsewhere = [url for url in tab.requests if not url.startswith((served[2], "data:", "blob:"))]
    assert (elsewhere, tab.complaints) == ([], [])
    assert len(tab.requests) > 20


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_in_a_browser_a_slider_changes_the_picture_and_all_go_back_to_the_middle(served, tab, width):
    picture = "document.querySelector('#changed img')"
    tab.open(served[2], width=width)
    tab.until(f"{RESULT}?.naturalWidth")
    show(tab, "Change", "#by-yaw")
    assert not tab.value("document.querySelector('#by-pitch')")  # of which the codes tell next to nothing
    tab.value("document.querySelector('#change').click()")
    plain_one = tab.until(f"{picture}?.naturalWidth && {picture}.src")
    slider = "document.querySelector('#by-beard input[type=range]')"
    tab.value(f"{slider}.value = 1; {slider}.dispatchEvent(new Event('input', {{bubbles: true}}))")
    changed = tab.until(f"{picture}?.naturalWidth && {picture}.src != {plain_one!r} && {picture}.src")
    assert b"synthetic, made by Facet" in fetched(changed)
    tab.value("document.querySelector('#back').click()")
    tab.until(f"{picture}?.naturalWidth && {picture}.src == {plain_one!r}")
    assert tab.value(f"{slider}.value") == "0"
    assert tab.value("document.documentElement.scrollWidth") == width


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_in_a_browser_films_play_and_a_clip_that_does_not_do_is_refused(served, tab, tmp_path, width):
    tab.open(served[2], width=width)
    tab.until(f"{RESULT}?.naturalWidth")
    for name, button, film in (("Morph", "#way", "#way-film"), ("Film", "#perform", "#acted")):
        show(tab, name, button)
        video = f"document.querySelector('{film} video')"
        assert not tab.value(f"!!{video}?.offsetWidth")
        tab.click(button)
        played = tab.until(f"{video}?.currentTime > 0.1 && {video}.currentSrc")
        assert b"synthetic, made by Facet, model " in fetched(played)
        assert tab.value(f"{video}.getBoundingClientRect().width") > 250
    tab.choose("#clip input[type=file]", write(tmp_path / "clip.mp4", [plain(number) for number in range(3)]))
    tab.until("document.querySelector('#clip video')?.videoWidth")
    tab.value("document.querySelector('#act').click()")
    tab.until("document.querySelector('#acted-words [role=alert]')?.offsetWidth")
    assert "python -m pipeline fetch yunet" in tab.value("document.querySelector('#acted-words').innerText")
    assert tab.value("document.documentElement.scrollWidth") == width
    elsewhere = [url for url in tab.requests if not url.startswith((served[2], "data:", "blob:"))]
    assert (elsewhere, tab.complaints) == ([], [])


@pytest.mark.slow
@pytest.mark.browser
def test_the_browser_would_tell(tab):
    tab.open("data:text/html,<img src='http://example.invalid/x.png'>")
    tab.until("document.images.length")
    tab.value("new Promise(done => setTimeout(done, 300))")
    assert "http://example.invalid/x.png" in tab.requests
    assert tab.complaints


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_fifty_at_once_stand_in_line_and_each_gets_a_marked_picture(client, served):
    from gradio_client import handle_file

    heads = [file for file in (served[1] / "tmp").glob("facet-demo-*/kept/*.png") if size(file) != (32, 32)]
    assert len(heads) == 12

    def ask(number):
        pair = heads[number % len(heads)], heads[(number * 5 + 1) % len(heads)]
        return client.predict(*(handle_file(str(file)) for file in pair), api_name="/recombine")

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(ask, range(50)))
    for picture, words, download in answers:
        assert "the true answer" in words
        with Image.open(download) as made:
            assert made.text["Comment"].startswith("synthetic, made by Facet, model ")
            assert made.size == (32, 32)
        assert Path(picture).read_bytes() == Path(download).read_bytes()


@pytest.mark.slow
def test_what_does_not_do_is_refused_with_a_sentence_in_the_page(client, served, tmp_path):
    from gradio_client import handle_file

    (tmp_path / "words.jpg").write_text("no image")
    (tmp_path / "wall.png").write_bytes(head(90))
    for name, words in {"words.jpg": "not an image", "wall.png": "python -m pipeline fetch yunet"}.items():
        file = handle_file(str(tmp_path / name))
        picture, said, download = client.predict(file, file, api_name="/recombine")
        assert (picture, download) == (None, None)
        assert 'role="alert"' in said
        assert words in said
        assert "/tmp" not in said
    assert "is missing" in client.predict(None, None, api_name="/recombine")[1]
    picture, said, _ = client.predict([], [], api_name="/grid")
    assert size(picture) == (7 * 34 - 2, 7 * 34 - 2)
    assert "First column" in said


@pytest.mark.slow
def test_it_takes_no_large_file_and_serves_this_machine_alone(served):
    boundary = "b0undary"
    opening = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'.encode()
    body = opening + bytes(MAX_UPLOAD + 1) + f"\r\n--{boundary}--\r\n".encode()
    request = urllib.request.Request(
        f"{served[2]}/gradio_api/upload", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=60)
    caught.value.close()
    assert caught.value.code == 413
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetched(served[2], host="evil.example")
    caught.value.close()
    assert caught.value.code == 400
    process = psutil.Process(served[0].pid)
    listening = {
        connection.laddr.ip
        for one in (process, *process.children())
        for connection in one.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


@pytest.mark.slow
def test_ctrl_c_ends_it_well_and_nothing_is_left_nor_was_anybody_called(served):
    """The last of those who share the server: it ends it."""
    process, top, _ = served
    assert list((top / "tmp").glob("facet-demo-*"))
    children = psutil.Process(process.pid).children() if (top / "trace").exists() else [process]
    children[0].send_signal(signal.SIGINT)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 0
    assert "Traceback" not in said
    assert [path for path in (top / "tmp").rglob("facet*")] == []
    assert {path.name for path in top.iterdir()} - {"trace"} == {"models", ".facet", "tmp", "home"}
    if (top / "trace").exists():
        assert [ip for ip in addresses(top / "trace") if not is_this_machine(ip)] == []


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} cannot be served .*--port"):
            serving.serve(ROOT / "nowhere", port)
    with pytest.raises(UserError, match="port 70000 cannot be served"):
        serving.serve(ROOT / "nowhere", 70000)


def test_without_a_model_it_says_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="`make repro` or `dvc repro train`"):
        serving.serve(paths.MODEL, 0)
    with pytest.raises(UserError, match="name a folder that `train` or `export` wrote"):
        serving.serve(tmp_path / "models", 0)


def test_without_gradio_it_says_how_to_get_it(tmp_path, monkeypatch):
    save_model(tmp_path)
    monkeypatch.delitem(sys.modules, "pipeline.applications.demo.app", raising=False)
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")  # which it sets
    with pytest.raises(UserError, match=r"gradio is not installed; `pip install 'gradio>=6'`"):
        serving.serve(tmp_path / "models" / "train", 0)


def test_help_has_an_example_and_says_that_pictures_are_marked():
    done = subprocess.run(command("--help"), cwd=ROOT, capture_output=True, text=True, check=True)
    said = " ".join(done.stdout.split())
    assert "Example: python -m pipeline demo" in said
    assert "synthetic" in said
