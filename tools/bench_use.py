"""How fast `recombine` and `act` are, stage by stage, and how large the networks' share of it is.

    python -m tools.bench_use [--model DIR] [--pictures N] [--rounds R] [--threads T] [--json FILE]

Without a trained model, with untrained networks of params.yaml's size, which are as fast. `act` is run in turn with its
steps one after the other and, as it is, at the same time. The start of a command, 5 to 10 s, is not counted.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch

from pipeline import assets, paths
from pipeline.applications.acting import film as films
from pipeline.applications.acting import montage
from pipeline.applications.acting.act import SEGMENT
from pipeline.applications.acting.following import PLACES
from pipeline.applications.acting.performer import Acted, Performer, batched, pasted
from pipeline.applications.portraits import MIN_SCORE
from pipeline.applications.recombine import delivered
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets.photographs.cutting import find, frame
from pipeline.datasets.photographs.decoding import decode, read
from pipeline.datasets.photographs.detection import Detection, yunet
from pipeline.errors import UserError
from pipeline.tracking.files import write
from pipeline.training import weights
from tools.asked import at_least
from tools.bench import ROOT, Pair, measure, some_photographs
from tools.bench_onnx import untrained, ways

SIZE, FACE = (640, 360), 300  # pixels of a picture of the film, and of the photograph in it
NETWORKS = ("encode", "synthesize")
GRID = 8  # people, and samples


class Clock:
    """Seconds by stage: on the wall and of the processor; a stage within another one counts for itself alone."""

    def __init__(self, processor: Callable[[], float]) -> None:
        self._processor = processor
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        self._inner = [(0.0, 0.0)]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), self._processor()
        self._inner.append((0.0, 0.0))
        try:
            yield
        finally:
            spent = time.perf_counter() - wall, self._processor() - cpu
            inner, outer = self._inner.pop(), self._inner.pop()
            self._inner.append((outer[0] + spent[0], outer[1] + spent[1]))
            self.wall[name] = self.wall.get(name, 0.0) + spent[0] - inner[0]
            self.cpu[name] = self.cpu.get(name, 0.0) + spent[1] - inner[1]

    def share(self) -> tuple[float, float]:
        """The networks': of the wall's time, of the processor's."""
        return tuple(sum(of[n] for n in NETWORKS) / sum(of.values()) for of in (self.wall, self.cpu))  # type: ignore[return-value]


class Timed:
    """A FaceSynthesizer whose networks are timed."""

    def __init__(self, model: FaceSynthesizer, clock: Clock) -> None:
        self._model, self._clock = model, clock
        self.cut, self.fingerprint = model.cut, model.fingerprint

    def identity(self, images: np.ndarray) -> np.ndarray:
        with self._clock.stage("encode"):
            return self._model.identity(images)

    def attributes(self, images: np.ndarray) -> np.ndarray:
        with self._clock.stage("encode"):
            return self._model.attributes(images)

    def synthesize(self, f_I: np.ndarray, z: np.ndarray) -> np.ndarray:
        with self._clock.stage("synthesize"):
            return self._model.synthesize(f_I, z)


class Bench:
    """What all is measured on.

    Args:
        folder: of the model.
        pictures: of the film.
    """

    def __init__(self, folder: Path, pictures: int) -> None:
        self.model, self.place = FaceSynthesizer(folder), Path(tempfile.mkdtemp())
        self.detector = yunet(assets.locate("yunet").path, MIN_SCORE)
        some_photographs(2 * GRID, self.place / "photographs")
        self.photographs = sorted((self.place / "photographs").rglob("*.jpg"))
        self.film = some_film(self.place / "in.mp4", self.photographs[0], pictures)

    def recombine(self, people: int, samples: int) -> Clock:
        """So many people in so many samples, a file a face."""
        clock = Clock(time.process_time)
        model = Timed(self.model, clock)
        x_s, x_a = (np.stack([self._face(clock, file) for file in files])
                    for files in (self.photographs[:people], self.photographs[GRID : GRID + samples]))  # fmt: skip
        f_I, z = model.identity(x_s), model.attributes(x_a)
        for i, one in enumerate(f_I):
            for j, image in enumerate(model.synthesize(np.repeat(one[None], len(z), axis=0), z)):
                with clock.stage("write"):
                    delivered(self.place / f"{i}_{j}.png", image, self.model, subject=[], sample=[])
        return clock

    def _face(self, clock: Clock, file: Path) -> np.ndarray:
        with clock.stage("decode"):
            photograph = decode(read(file))
        with clock.stage("detect"):
            found = find(photograph, self.detector, self.model.cut)
        with clock.stage("align"):
            return frame(photograph, found, self.model.cut).image

    def act_in_turn(self) -> Clock:
        """A step after the other; all of the process's time counts, that of FFmpeg's threads too."""
        clock = Clock(time.process_time)

        def pictures() -> Iterator[films.Picture]:
            read = batched(film.read(), SEGMENT)
            while True:
                with clock.stage("decode"):
                    batch = next(read, None)
                if batch is None:
                    return
                with clock.stage("align"):  # and following; detection is a stage of its own
                    seen = next(performer.look(iter([batch])))
                with clock.stage("steady"):
                    acted = next(performer.act(iter([seen])))
                with clock.stage("paste"):
                    played = [one.picture for one in pasted(acted, self.model.cut.margin)]
                yield from played

        with films.opened(self.film) as film:
            performer = self._performer(film, Timed(self.model, clock), clock)
            with clock.stage("write"):
                montage.write_segment(self.place / "in_turn.mp4", pictures(), film)
        return clock

    def act_at_once(self) -> tuple[float, float, float, float]:
        """As it is: seconds of wall and processor of all, and those of them in which the networks were at work."""
        clock = Clock(time.thread_time)
        wall, cpu = time.perf_counter(), time.process_time()
        with films.opened(self.film) as film:
            performer = self._performer(film, Timed(self.model, clock))
            with performer.playing(batched(film.read(), SEGMENT)) as batches:
                montage.write_segment(self.place / "at_once.mp4", self._pictures(batches), film)
        of_all = time.perf_counter() - wall, time.process_time() - cpu
        return (*of_all, sum(clock.wall.values()), sum(clock.cpu.values()))

    def _pictures(self, batches: Iterator[Acted]) -> Iterator[films.Picture]:
        return (one.picture for batch in batches for one in pasted(batch, self.model.cut.margin))

    def _performer(self, film: films.Film, model: Timed, clock: Clock | None = None) -> Performer:
        def detect(image: np.ndarray) -> list[Detection]:
            if clock is None:
                return self.detector(image)
            with clock.stage("detect"):
                return self.detector(image)

        f_I = self.model.identity(np.zeros((1, self.model.image_size, self.model.image_size, 3), np.uint8))
        return Performer(model, detect, f_I, PLACES["largest"], lambda t: float(t * film.time_base))  # type: ignore[arg-type]


def some_film(file: Path, photograph: Path, pictures: int) -> Path:
    """A photograph that moves over grey."""
    face = cv2.imread(str(photograph))
    face = cv2.resize(face, None, fx=FACE / len(face), fy=FACE / len(face), interpolation=cv2.INTER_AREA)
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        (stream.width, stream.height), stream.pix_fmt = SIZE, "yuv420p"
        for number in range(pictures):
            image = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)
            left = 10 + round(100 * (1 + np.sin(number / 20)))
            image[30 : 30 + len(face), left : left + face.shape[1]] = face
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    return file


def stages(clocks: list[Clock], items: int) -> dict[str, dict[str, float]]:
    """Milliseconds an item, medians."""
    return {
        name: {
            "wall_ms": statistics.median(c.wall[name] for c in clocks) / items * 1e3,
            "processor_ms": statistics.median(c.cpu[name] for c in clocks) / items * 1e3,
        }
        for name in clocks[0].wall
    }


def in_turn(clocks: list[Clock], items: int) -> dict[str, Any]:
    """What is said of something whose stages come one after the other."""
    return {
        "per_second": items / statistics.median(sum(c.wall.values()) for c in clocks),
        "processor_ms": statistics.median(sum(c.cpu.values()) for c in clocks) / items * 1e3,
        "networks_share_wall": statistics.median(c.share()[0] for c in clocks),
        "networks_share_processor": statistics.median(c.share()[1] for c in clocks),
        "stages": stages(clocks, items),
    }


def acting(bench: Bench, pictures: int, rounds: int, threads: int) -> dict[str, Any]:
    """`act`, the two ways in turn."""
    bench.act_in_turn(), bench.act_at_once()
    runs = [(bench.act_in_turn(), bench.act_at_once()) for _ in range(rounds)]
    together = np.array([run for _, run in runs])
    at_once: dict[str, Any] = {
        "per_second": pictures / float(np.median(together[:, 0])),
        "processor_ms": float(np.median(together[:, 1])) / pictures * 1e3,
        "networks_share_wall": float(np.median(together[:, 2] / together[:, 0])),
    }
    if threads == 1:  # else the clock of the thread that asks misses what other threads compute
        at_once["networks_share_processor"] = float(np.median(together[:, 3] / together[:, 1]))
    faster = statistics.median(sum(clock.wall.values()) / run[0] for clock, run in runs)
    return {"in_turn": in_turn([clock for clock, _ in runs], pictures), "at_once": at_once, "faster": faster}


def show(name: str, unit: str, row: dict[str, Any]) -> None:
    said = f"{row['per_second']:.1f} {unit}/s, {row['processor_ms']:.1f} ms of the processor each"
    shares = [f"{row[k]:.0%} of the {k.rsplit('_', 1)[1]}'s time" for k in row if k.startswith("networks")]
    print(f"{name:24} {said}; the networks have {' and '.join(shares)}")
    for stage, ms in row.get("stages", {}).items():
        print(f"    {stage:12} {ms['wall_ms']:8.2f} ms    {ms['processor_ms']:8.2f} ms of the processor")
    sys.stdout.flush()


def rounded(value: Any) -> Any:
    """JSON has no use for the seventeenth digit."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=paths.MODEL, metavar="DIR")
    parser.add_argument("--pictures", type=at_least(1), default=240, help="of the film")
    parser.add_argument("--rounds", type=at_least(1), default=3)
    parser.add_argument("--threads", type=at_least(1), default=1, help="of the networks and OpenCV; FFmpeg has its own")
    parser.add_argument("--json", type=Path, default=ROOT / ".facet" / "bench_use.json", metavar="FILE")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(arguments.threads)
    trained = arguments.model if (arguments.model / weights.FILE).exists() else None
    try:
        model = trained or untrained(Path(tempfile.mkdtemp()) / "model")
        bench = Bench(model, arguments.pictures)
    except UserError as error:
        sys.exit(str(error))
    print(f"{os.cpu_count()} cores, {arguments.threads} threads, torch {torch.__version__}; {trained or 'untrained'}")
    rows: dict[str, Any] = {"threads": arguments.threads, "trained": trained is not None}
    for name, people, samples in (("recombine_pair", 1, 1), ("recombine_grid", GRID, GRID)):
        bench.recombine(people, samples)
        clocks = [bench.recombine(people, samples) for _ in range(5 * arguments.rounds)]
        rows[name] = in_turn(clocks, people * samples)
        show(name.replace("_", ", "), "faces", rows[name])
    rows["act"] = acting(bench, arguments.pictures, arguments.rounds, arguments.threads)
    show("act, a step at a time", "frames", rows["act"]["in_turn"])
    show("act, as it is", "frames", rows["act"]["at_once"])
    print(f"{'':24} {rows['act']['faster']:.2f} times as fast")
    for images in (1, 16):
        by_onnx, by_torch = ways(images, trained)
        row = measure(Pair("images", images, "onnxruntime", by_onnx, "torch", by_torch), 2.0 * arguments.rounds)
        rows[f"onnx_of_{images}"] = row.rates | {"ratio": row.ratio}
        told = ", ".join(f"{way} {rate:.1f} images/s" for way, rate in row.rates.items())
        print(f"ONNX, {images} at once: {told}, ratio {row.ratio:.2f}", flush=True)
    write(arguments.json, json.dumps(rounded(rows), indent=2, sort_keys=True))
    print(f"JSON       {arguments.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
