"""Many photographs at a time: each becomes what it would become alone."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.faces import Face, Photograph
from pipeline.datasets.photographs import chain
from pipeline.datasets.photographs.chain import Bounds, Chain, Seconds
from pipeline.datasets.photographs.cutting import Unusable, subject_face
from pipeline.datasets.photographs.detection import Detection
from tests.datasets.photographs.test_cutting import HOW, find_squares, painted

OPEN = Bounds(20, 0.0, 0.0, 1.0, 180.0, 180.0, 180.0)
SQUARES = Chain(find_squares, HOW, OPEN, None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    Image.fromarray(painted(60)).save(tmp_path / "1.png")
    return tmp_path / "1.png"


def photograph(file: Path) -> Photograph:
    return Photograph(f"photos/a/{file.name}", "photos/a", "train", str(file))


def made(chain: Chain, *photographs: Photograph) -> list[Face | Unusable]:
    return list(chain.faces(photographs, Seconds()))


def reasons(faces: list[Face | Unusable]) -> list[str | None]:
    return [face.reason if isinstance(face, Unusable) else None for face in faces]


def test_a_photograph_is_cut_alike_for_training_and_in_use(file: Path) -> None:
    (trained,) = made(SQUARES, photograph(file))
    assert isinstance(trained, Face)
    assert trained.image.tobytes() == subject_face(file, find_squares, HOW).image.tobytes()
    assert trained.content == hashlib.sha256(file.read_bytes()).digest()


@pytest.mark.parametrize("limit", ["TOGETHER", "TOGETHER_BYTES"])
def test_each_becomes_what_it_would_alone_however_many_are_done_together(
    limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.png").touch()
    for n in range(5):
        Image.fromarray(painted(*[50 + 5 * n] * (n != 3))).save(tmp_path / f"{n}.png")
    photographs = [photograph(tmp_path / f"{name}.png") for name in (0, 1, "empty", 2, 3, 4, "gone")]
    together = made(SQUARES, *photographs)
    assert reasons(together) == [None, None, "empty", None, "no_face", None, "unreadable"]
    monkeypatch.setattr(chain, limit, 1)
    alone = made(SQUARES, *photographs)
    assert reasons(alone) == reasons(together)
    for a, b in zip(together, alone, strict=True):
        if isinstance(a, Face) and isinstance(b, Face):
            assert (a.image.tobytes(), a.hash, a.quality) == (b.image.tobytes(), b.hash, b.quality)
    assert made(SQUARES) == []


def test_large_photographs_are_not_held_by_the_dozen(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "TOGETHER_BYTES", 2 * painted(60).nbytes)
    opened, most = 0, 0

    def asked() -> Iterator[Photograph]:
        nonlocal opened
        for _ in range(7):
            opened += 1
            yield photograph(file)

    for done, _ in enumerate(SQUARES.faces(asked(), Seconds())):
        most = max(most, opened - done)
    assert most == 2


def test_content_that_is_not_what_the_source_says_is_turned_down(file: Path) -> None:
    right = hashlib.sha256(file.read_bytes()).hexdigest()
    candidate = photograph(file)._replace(sha256=right)
    assert reasons(made(SQUARES, candidate, candidate._replace(sha256="0" * 64))) == [None, "changed"]


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [
        ({"min_face_pixels": 61}, "small_face"),
        ({"min_sharpness": 1e6}, "blurred"),
        ({"min_exposure": 0.9}, "dark"),
        ({"max_exposure": 0.1}, "bright"),
        ({"max_yaw": 1e-6}, "large_yaw"),
        ({"max_pitch": 1e-6}, "large_pitch"),
        ({"max_roll": 1e-6}, "large_roll"),
    ],
)
def test_each_bound_turns_down_by_its_own_reason(bounds: dict[str, float], reason: str, file: Path) -> None:
    def tilted(image: np.ndarray) -> list[Detection]:
        (face,) = find_squares(image)
        return [
            face._replace(landmarks=face.landmarks + np.array([(0, 0), (0, 4), (2, 1), (0, 0), (0, 0)], np.float32))
        ]

    squares = SQUARES._replace(detect=tilted)
    assert reasons(made(squares, photograph(file))) == [None]
    (face,) = made(squares._replace(bounds=OPEN._replace(**bounds)), photograph(file))
    assert isinstance(face, Unusable)
    assert face.reason == reason
    assert "asked for" in face.detail
