"""`python -m pipeline evaluate-folder`: the outputs of any system, by the same protocol as our own."""

import csv
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline import assets, provenance, tracking
from pipeline.applications import judging, report
from pipeline.applications.evaluation import curves, extremes, scores, table
from pipeline.applications.evaluation.appointed import refuse_exported
from pipeline.applications.evaluation.bench import bench
from pipeline.applications.evaluation.material import MODEL, gather
from pipeline.datasets.contact_sheet import write_png
from pipeline.datasets.faces import Cut, Face
from pipeline.datasets.photographs.cutting import Unusable, subject_face
from pipeline.datasets.photographs.detection import Detector, yunet
from pipeline.datasets.protocol import EVALUATED, Protocol
from pipeline.datasets.shards import Faces, ShardWriter, write_table
from pipeline.errors import UserError
from pipeline.terminal import watched

log = logging.getLogger(__name__)

CUT = Cut(image_size=256, margin=0.0, choose="largest")  # as much as the judges' networks can use
MIN_SCORE = 0.6  # of a detection
COLUMNS = ("subject", "sample", "output")
PEOPLE = ("subject_person", "sample_person")  # may be left out: then each photograph is somebody else


class Row(NamedTuple):
    """What a system was given, and what it made of it."""

    subject: Path
    sample: Path
    output: Path
    subject_person: str
    sample_person: str


def evaluate_folder(pairs: Path, out: Path, onnx: Path | None = None, template: str = "arcface") -> None:
    """Score the outputs that a list names; write metrics, controls, cases, curves and the page into `out`.

    An output without a face counts as a failure of that output.

    Args:
        pairs: the list, CSV.
        out: a folder.
        onnx: a recogniser of faces that were aligned to `template`; None: reidentification-0095.
        template: of judges/photographs.py.

    Raises:
        UserError: the list is not readable or names what is not there, a photograph that was given shows no face, or
            there are fewer than three people.
        AssetError: a published network is missing or damaged.
    """
    if onnx:
        refuse_exported(onnx)
    rows = listed(pairs)
    court = judging.of_photographs(MIN_SCORE, onnx, template)
    inception, detect = _inception(), yunet(assets.locate("yunet").path, MIN_SCORE)
    with tempfile.TemporaryDirectory(prefix="facet-") as place:
        faces, outputs = _aligned(rows, detect, Path(place))
        measured = bench(court, gather(court, faces, people_of(faces), outputs, inception))
        results = scores.everything(measured, None)
        systems = table.written(results.systems)
        values = table.plain(measured, systems.pop(MODEL), systems)
        cases = table.cases(measured.material, results.model.columns)
        ranked = extremes.rankings(measured, results.model.figures)
        shown = [list(extremes.pictures(measured, rankings)) for rankings in ranked]
        drawn = list(curves.curves(measured, results.model.figures))
    for case, row in zip(cases, rows, strict=True):
        case["output"] = str(row.output)
    _write(out, values, systems, cases, drawn, *shown)


def _inception() -> Path | None:
    """Inception's weights, where somebody has fetched them."""
    try:
        return assets.locate("inception").path
    except assets.AssetError:
        return None


def listed(pairs: Path) -> list[Row]:
    """The rows of a list: CSV with COLUMNS, paths relative to it, and perhaps PEOPLE.

    Raises:
        UserError: it is not readable, lacks a column, has no row, or names files that are not there.
    """
    try:
        with pairs.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns, raw = reader.fieldnames or (), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{pairs}: not readable ({getattr(error, 'strerror', None) or error})") from None
    if lacking := [name for name in COLUMNS if name not in columns]:
        raise UserError(f"{pairs}: has no column {', '.join(lacking)}; the first line should name {', '.join(COLUMNS)}")
    if not raw:
        raise UserError(f"{pairs}: has no row; each should name a subject, a sample and the output made of them")
    rows = [_row(pairs, number, line) for number, line in enumerate(raw, 2)]
    if missing := sorted({str(path) for row in rows for path in row[:3] if not path.is_file()}):
        raise UserError(f"{pairs}: {len(missing)} of its files are not there, {missing[0]} among them")
    return rows


def _row(pairs: Path, number: int, line: dict[str, str]) -> Row:
    if empty := [name for name in COLUMNS if not line.get(name)]:
        raise UserError(f"{pairs}: line {number} has no {', '.join(empty)}")
    subject, sample, output = (pairs.parent / line[name] for name in COLUMNS)
    whose = (line.get(name) or str(path.resolve()) for name, path in zip(PEOPLE, (subject, sample), strict=True))
    row = Row(subject, sample, output, *whose)
    if row.subject_person == row.sample_person:
        raise UserError(f"{pairs}: line {number} has the same person as subject and sample, who cannot be told apart")
    return row


def _aligned(rows: Sequence[Row], detect: Detector, place: Path) -> tuple[Faces, Faces]:
    """Photographs and outputs as crops in our frame: an index of each."""
    people = {row.subject: row.subject_person for row in rows} | {row.sample: row.sample_person for row in rows}
    with ShardWriter(place / "photographs", "photographs") as writer:
        for path, person in watched(people.items(), "photographs aligned", len(people), lambda _: 1):
            try:
                face = subject_face(path, detect, CUT)
            except Unusable as error:
                raise UserError(f"{path}: {error.detail}; what a system is given has to show a face") from None
            writer.add(str(len(writer.rows)), face.image, {"file": str(path), "identity": person, **_where(face)})
        writer.close()
    key = {row["file"]: row["key"] for row in writer.rows}
    with ShardWriter(place / "outputs", "outputs") as writer:
        for row in watched(rows, "outputs aligned", len(rows), lambda _: 1):
            given = {"subject_key": key[str(row.subject)], "sample_key": key[str(row.sample)]}
            writer.add(str(len(writer.rows)), _output(row.output, detect), given)
        writer.close()
    return Faces(place / "photographs"), Faces(place / "outputs")


def _where(face: Face) -> dict[str, object]:
    return {"split": "test", "landmarks": face.landmarks.ravel().tolist()}


def _output(path: Path, detect: Detector) -> np.ndarray:
    """The face of an output; a blank, in which no judge finds one, where there is none."""
    try:
        return subject_face(path, detect, CUT).image
    except Unusable as error:
        log.warning("a failure of this output: %s: %s", path, error.detail)
        return np.full((CUT.image_size, CUT.image_size, 3), 128, np.uint8)


def people_of(faces: Faces) -> Protocol:
    """Everybody in the photographs. One of three or more of a person is kept out of the gallery, for the ceiling.

    Raises:
        UserError: there are fewer than three people.
    """
    person, names = faces.coded("identity")
    rows = [np.flatnonzero(person == number) for number in range(len(names))]
    if len(names) < EVALUATED:
        raise UserError(f"the list names {len(names)} people; subject, sample and anyone unrelated are {EVALUATED}")
    order = np.argsort(names)
    split = [len(rows[i]) - (len(rows[i]) >= EVALUATED) for i in order]
    galleries = [rows[i][:at] for i, at in zip(order, split, strict=True)]
    return Protocol([names[i] for i in order], galleries, [rows[i][at:] for i, at in zip(order, split, strict=True)])


def _write(
    out: Path,
    values: dict,
    systems: dict,
    cases: list,
    drawn: Sequence[curves.Table],
    leading: Sequence[extremes.Picture],
    others: Sequence[extremes.Picture],
) -> None:
    try:
        (out / "cases").mkdir(parents=True, exist_ok=True)
        for name, _, made in (*leading, *others):
            write_png(out / "cases" / f"{name}.png", made)
        run = tracking.Run(None)
        reasons = table.not_measured(values)
        absent = "Inception's weights are not here: `python -m pipeline fetch inception`"
        reasons |= {name: absent for name in ("realism/fid", "realism/kid") if name in reasons}
        run.metrics(out / "metrics.json", values, reasons)
        run.systems(out / "controls.json", systems)
        for curve in drawn:
            run.table(out / "plots" / f"{curve.name}.csv", curve.columns, curve.rows)
        write_table(out / "cases.parquet", cases)
        values["not_measured"] = {key: [reason] for key, reason in reasons.items()}
        page = report.build(
            "Evaluation",
            {},
            {"evaluate": values},
            {},
            {says: out / "cases" / f"{name}.png" for name, says, _ in leading},
            provenance.environment(),
            controls=systems,
            plots=out / "plots",
            cases=[out / "cases" / f"{name}.png" for name, _, _ in others],
        )
        (out / "index.html").write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror}); choose another place with --out") from None
