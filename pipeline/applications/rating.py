"""`python -m pipeline rate`: people are shown a synthesized face beside a photograph, and say which one is made up.

Half of the answers are wrong where nobody can tell. The page is rating.html beside this module.
"""

import csv
import json
import logging
import secrets
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from pipeline import paths, stopping
from pipeline.datasets.protocol import EVALUATED, protocol
from pipeline.datasets.shards import Faces, encode
from pipeline.errors import UserError
from pipeline.metrics import intervals
from pipeline.metrics.intervals import Estimate

log = logging.getLogger(__name__)

PAGE = Path(__file__).with_suffix(".html")
COLUMNS = ("time", "rater", "synthesized", "photograph", "made_up", "chosen", "milliseconds")
LONGEST = 4096  # bytes of a request
INLINE = "style-src 'unsafe-inline'; script-src 'unsafe-inline'"
POLICY = f"default-src 'none'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; {INLINE}"


class Trial(NamedTuple):
    """A pair that somebody was shown."""

    rater: str
    synthesized: str  # keys of the index
    photograph: str
    made_up: str  # the side of the synthesized one: left or right


class Pairs:
    """Synthesized faces, each to be shown beside a photograph of its subject, in a random order for each rater.

    Args:
        faces: the photographs.
        synthesized: the faces.
        gallery: photographs of a person that are in no pair, as in the evaluation.
        seed: of the orders.
    """

    def __init__(self, faces: Faces, synthesized: Faces, gallery: int, seed: int | None = None) -> None:
        self.faces, self.synthesized = faces, synthesized
        people = protocol(faces, "test", gallery, EVALUATED)
        self.probes = dict(zip(people.names, people.probes, strict=True))
        self.subjects = synthesized.column("subject")
        if unknown := sorted(set(self.subjects) - self.probes.keys()):
            raise UserError(
                f"{synthesized.folder}: nobody of the test split is {unknown[0]}; run `dvc repro synthesize`"
            )
        self.keys = synthesized.column("key"), faces.column("key")
        self.rng = np.random.default_rng(seed)
        self.orders: dict[str, list[int]] = {}

    def draw(self, rater: str) -> tuple[Trial, dict[str, np.ndarray]]:
        """The next pair for a rater, and what to show at either side, uint8 [S, S, 3]."""
        order = self.orders.setdefault(rater, [])
        if not order:
            order.extend(self.rng.permutation(len(self.subjects)).tolist())
        row = order.pop()
        photograph = int(self.rng.choice(self.probes[self.subjects[row]]))
        sides = ["left", "right"] if self.rng.random() < 0.5 else ["right", "left"]
        trial = Trial(rater, str(self.keys[0][row]), str(self.keys[1][photograph]), sides[0])
        return trial, dict(zip(sides, (self.synthesized.image(row), self.faces.image(photograph)), strict=True))


def rate(out: Path, port: int, gallery: int) -> None:
    """Serve the page on 127.0.0.1 until Ctrl-C, keep each answer at once, then say what they add up to.

    Raises:
        UserError: there is nothing to show, the port is taken, or the file cannot be written.
    """
    pairs = Pairs(Faces(paths.FACES), Faces(paths.SYNTHESIZED, "dvc repro synthesize"), gallery)
    server = _server(pairs, out, port)
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        log.info("http://127.0.0.1:%d  Ctrl-C ends it; answers go to %s", server.server_port, out)
        try:
            while True:
                time.sleep(0.2)
        except stopping.Stopped:
            server.shutdown()
    log.info("%s", summary(out))


def summary(file: Path) -> str:
    """What all answers in a file add up to."""
    answers = read(file)
    if not answers:
        return f"{file}: no answer yet"
    share, raters = fooled(answers), len({answer["rater"] for answer in answers})
    return (
        f"{share.n} answers of {raters} raters: taken for a photograph in {share.value:.3f} of them "
        f"({share.low:.3f} to {share.high:.3f}); where nobody can tell it is 0.5"
    )


def fooled(answers: Sequence[dict[str, str]]) -> Estimate:
    """The share of wrong answers, with an interval over raters and over synthesized faces."""
    wrong = torch.tensor([answer["chosen"] != answer["made_up"] for answer in answers], dtype=torch.float64)
    labels = [np.unique([answer[name] for answer in answers], return_inverse=True)[1] for name in COLUMNS[1:3]]
    return intervals.mean(wrong, intervals.resamples(*(torch.from_numpy(label) for label in labels)))


def read(file: Path) -> list[dict[str, str]]:
    """The answers in a file; none where there is no file.

    Raises:
        UserError: it is not readable, or no list of answers.
    """
    if not file.exists():
        return []
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            reader = csv.DictReader(lines)
            answers = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{file}: not readable ({getattr(error, 'strerror', None) or error})") from None
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise UserError(
            f"{file}: holds no answers (its columns should be {', '.join(COLUMNS)}); name another with --out"
        )
    return [answer for answer in answers if None not in answer.values()]


def _append(file: Path, row: Sequence[object]) -> None:
    new = not file.exists()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([*([COLUMNS] if new else []), row])


def _server(pairs: Pairs, out: Path, port: int) -> ThreadingHTTPServer:
    read(out)  # rather now than at the first answer
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), _handler(pairs, out))
    except OSError as error:
        raise UserError(f"port {port} cannot be served ({error.strerror}); choose another with --port") from None
    server.daemon_threads = True
    return server


def _handler(pairs: Pairs, out: Path) -> type[BaseHTTPRequestHandler]:
    """What answers requests; nothing but the page knows which picture is which, and it does not."""
    lock = threading.Lock()
    trials: dict[str, Trial] = {}
    pictures: dict[str, bytes] = {}
    answered: dict[str, int] = {}

    def offer(asked: dict[str, Any]) -> dict[str, Any]:
        rater = str(asked["rater"])[:64]
        trial, shown = pairs.draw(rater)
        name = secrets.token_hex(8)
        trials[name] = trial
        addresses = {}
        for side, image in shown.items():
            addresses[side] = f"/{secrets.token_hex(8)}.png"
            pictures[addresses[side]] = encode(image)
        return {"trial": name, "done": answered.get(rater, 0), **addresses}

    def keep(said: dict[str, Any]) -> dict[str, Any]:
        trial, chosen, milliseconds = trials[said["trial"]], str(said["choice"]), int(said["milliseconds"])
        if chosen not in ("left", "right"):
            raise ValueError(chosen)
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        _append(out, (now, trial.rater, trial.synthesized, trial.photograph, trial.made_up, chosen, milliseconds))
        del trials[said["trial"]]
        answered[trial.rater] = answered.get(trial.rater, 0) + 1
        return {"done": answered[trial.rater]}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self._is_here():
                return self._say(403, b"only 127.0.0.1 is served", "text/plain")
            if self.path == "/":
                return self._say(200, PAGE.read_bytes(), "text/html; charset=utf-8")
            with lock:
                picture = pictures.pop(self.path, None)  # shown once
            return self._say(200, picture, "image/png") if picture else self._say(404, b"not here", "text/plain")

        def do_POST(self) -> None:
            action = {"/next": offer, "/answer": keep}.get(self.path)
            length = self.headers.get("Content-Length", "")
            if not self._is_here() or self.headers.get_content_type() != "application/json":
                return self._say(403, b"only this page may ask", "text/plain")
            if action is None or not length.isdigit() or int(length) > LONGEST:
                return self._say(404, b"not here", "text/plain")
            try:
                with lock:
                    answer = action(json.loads(self.rfile.read(int(length))))
            except (KeyError, TypeError, ValueError):
                return self._say(400, b"not understood; load the page again", "text/plain")
            except OSError as error:
                log.warning("an answer is lost: %s: %s", out, error.strerror)
                return self._say(500, b"the answer could not be written", "text/plain")
            return self._say(200, json.dumps(answer).encode(), "application/json")

        def _is_here(self) -> bool:
            """Whether the browser means this machine: another page's name might lead here too."""
            host = self.headers.get("Host", "").rpartition(":")[0]
            return host in ("127.0.0.1", "localhost")

        def _say(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            for name, value in (
                ("Content-Type", kind),
                ("Content-Length", str(len(body))),
                ("Content-Security-Policy", POLICY),
                ("X-Content-Type-Options", "nosniff"),
                ("Cache-Control", "no-store"),
            ):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: the terminal is for the person who started this."""

    return Handler
