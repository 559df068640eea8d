"""Fetching is tried against real servers on the loopback interface, good ones and bad ones."""

import hashlib
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from pipeline import assets
from pipeline.assets import ASSETS, Asset, AssetError, AssetFile, check_sha256, fetch, locate

CONTENT = b"weights " * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    requests: ClassVar[list[str]] = []
    end_of_test: ClassVar[threading.Event] = threading.Event()

    def do_GET(self) -> None:
        self.requests.append(self.path)
        way = self.path.split("/")[1]
        if way == "silent":
            self.end_of_test.wait(10)
            self.close_connection = True
            return
        if way == "missing":
            self.send_error(404)
            return
        body = b"<html>please log in</html>" if way == "other" else CONTENT
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if way in ("stalls", "short"):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            if way == "stalls":
                self.end_of_test.wait(10)
            self.close_connection = True
            return
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    Server.requests.clear()
    Server.end_of_test.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        Server.end_of_test.set()
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("FACET_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = assets._cache()
    if not folder.is_relative_to(tmp_path):
        pytest.skip("this system's cache folder cannot be moved for a test")
    return folder


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("FACET_ASSETS", str(folder))
    return folder


def register(monkeypatch: pytest.MonkeyPatch, *files: AssetFile) -> None:
    monkeypatch.setitem(ASSETS, "example", Asset("for a test", "MIT", files))


def example(monkeypatch: pytest.MonkeyPatch, url: str = "http://127.0.0.1:9/example.bin") -> None:
    register(monkeypatch, AssetFile("example.bin", url, SHA256))


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("name", ASSETS)
def test_every_asset_says_where_it_comes_from_and_under_which_licence(name: str) -> None:
    asset = ASSETS[name]
    assert asset.description
    assert asset.licence
    for file in asset.files:
        assert file.url.startswith("https://")
        assert file.url.endswith("/" + file.filename)
        assert re.fullmatch("[0-9a-f]{64}", file.sha256)


def test_a_file_in_the_own_folder_is_found(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example(monkeypatch)
    (own / "example.bin").write_bytes(CONTENT)
    assert locate("example") == (own / "example.bin", (own / "example.bin",))


def test_a_file_in_the_cache_is_found(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example(monkeypatch)
    cache.mkdir(parents=True)
    (cache / "example.bin").write_bytes(CONTENT)
    assert locate("example").path == cache / "example.bin"


def test_the_own_folder_comes_before_the_cache(own: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example(monkeypatch)
    cache.mkdir(parents=True)
    for folder in (own, cache):
        (folder / "example.bin").write_bytes(CONTENT)
    assert locate("example").path.parent == own


def test_files_of_one_asset_come_from_one_folder(own: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, AssetFile("a.xml", "https://a", SHA256), AssetFile("a.bin", "https://a", SHA256))
    cache.mkdir(parents=True)
    for path in (own / "a.xml", cache / "a.xml", cache / "a.bin"):
        path.write_bytes(CONTENT)
    assert locate("example").files == (cache / "a.xml", cache / "a.bin")


@pytest.mark.parametrize("damage", [b"", CONTENT[:-1], CONTENT + b"\0", b"W" + CONTENT[1:]])
def test_a_damaged_file_is_refused_with_both_hashes_and_a_way_out(
    damage: bytes, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example(monkeypatch)
    (own / "example.bin").write_bytes(damage)
    with pytest.raises(AssetError) as refusal:
        locate("example")
    sentence = str(refusal.value)
    assert str(own / "example.bin") in sentence
    assert SHA256 in sentence
    assert hashlib.sha256(damage).hexdigest() in sentence
    assert "python -m pipeline fetch example" in sentence


def test_a_missing_asset_is_not_downloaded_but_the_way_to_it_is_named(
    server: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example(monkeypatch, f"{server}/good/example.bin")
    with pytest.raises(AssetError, match=r"python -m pipeline fetch example.*FACET_ASSETS"):
        locate("example")
    assert Server.requests == []
    assert left_in(cache) == []


@pytest.mark.parametrize("function", [locate, fetch])
def test_an_unknown_name_is_answered_with_the_known_ones(function: type) -> None:
    with pytest.raises(AssetError, match=r"'yunnet'.*yunet, reidentification, head_pose, inception"):
        function("yunnet")


def test_what_is_fetched_is_then_located(server: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example(monkeypatch, f"{server}/good/example.bin")
    assert fetch("example") == locate("example") == (cache / "example.bin", (cache / "example.bin",))
    assert (cache / "example.bin").read_bytes() == CONTENT
    assert left_in(cache) == ["example.bin"]


def test_what_is_there_is_not_fetched_again(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    example(monkeypatch, f"{server}/good/example.bin")
    fetch("example")
    fetch("example")
    assert len(Server.requests) == 1


def test_fetching_replaces_a_damaged_file(server: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example(monkeypatch, f"{server}/good/example.bin")
    cache.mkdir(parents=True)
    (cache / "example.bin").write_bytes(b"damaged")
    fetch("example")
    assert (cache / "example.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("way", "why"),
    [
        ("other", f"something else than the file of sha256 {SHA256}"),
        ("missing", "answered 404"),
        ("silent", r"was silent for 0\.3 s"),
        ("stalls", r"was silent for 0\.3 s"),
        ("short", "cut the transfer off or cannot be reached"),
    ],
)
def test_a_bad_server_ends_in_one_sentence_and_leaves_nothing_behind(
    way: str, why: str, server: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example(monkeypatch, f"{server}/{way}/example.bin")
    with pytest.raises(AssetError, match=why) as refusal:
        fetch("example", timeout_s=0.3)
    assert str(refusal.value).startswith(f"{server}/{way}/example.bin ")
    assert "FACET_ASSETS" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert left_in(cache) == []


def test_without_a_network_there_is_one_sentence(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but nobody listens
        example(monkeypatch, f"http://127.0.0.1:{unused.getsockname()[1]}/example.bin")
        with pytest.raises(AssetError, match="cut the transfer off or cannot be reached; check the network"):
            fetch("example", timeout_s=1)
    assert left_in(cache) == []


def test_a_cache_that_cannot_be_written_is_named(server: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example(monkeypatch, f"{server}/good/example.bin")
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the folder belongs")
    with pytest.raises(AssetError, match=f"{cache}.*cannot be written"):
        fetch("example")


def test_the_right_content_passes_the_check(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(CONTENT)
    check_sha256(path, SHA256, "nothing to do")
    with pytest.raises(AssetError, match="do this"):
        check_sha256(path, "0" * 64, "do this")


@pytest.mark.shared
@pytest.mark.parametrize("name", ["yunet", "reidentification", "head_pose"])
def test_the_checksums_are_those_of_the_published_weights(
    name: str, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACET_ASSETS", str(shared / "models"))
    assert {path.parent for path in locate(name).files} == {shared / "models"}
