"""Who is compared with whom, by a judge that knows every rendered picture: each wrong wire shows in a number."""

import numpy as np
import pytest

from pipeline.applications import evaluation
from pipeline.applications.evaluation import Material
from pipeline.applications.judging import Court, known_attributes
from pipeline.applications.retrieval import top1_real
from pipeline.datasets import heads
from pipeline.datasets.faces import Head
from pipeline.datasets.protocol import pairs, protocol
from pipeline.datasets.shards import Faces, ShardWriter
from pipeline.datasets.sources.rendered import portray
from pipeline.datasets.true_answers import true_recombinations
from pipeline.judges.verdict import Verdict
from pipeline.metrics.attributes import Attribute

PEOPLE = {"val": (2, 3), "test": (5, 7)}  # and pictures of each


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    with ShardWriter(folder, "faces") as writer:
        for split, (people, pictures) in PEOPLE.items():
            for n in range(people * pictures):
                name = f"{split}{n // pictures}"
                image, _, *vectors = portray(Head("", name, split, 0, n // pictures, n % pictures), 32)
                known = dict(zip(("identity_vector", "attribute_vector"), (v.tolist() for v in vectors), strict=True))
                writer.add(f"{name}-{n}", image, {"identity": name, "split": split, **known})
        writer.close()
    return Faces(folder)


@pytest.fixture
def court(faces):
    """Knows whose each picture is and its attributes, by the bytes; in anything else it finds no face."""
    names, known = sorted(set(faces.column("identity"))), known_attributes(faces, np.arange(len(faces)))
    row_of = {faces.image(row).tobytes(): row for row in range(len(faces))}

    def judge(images):
        rows = np.array([row_of.get(image.tobytes(), -1) for image in images])
        people = [names.index(faces.column("identity")[row]) for row in rows]
        features = np.eye(len(names), dtype=np.float32)[people] * (rows >= 0)[:, None]
        return Verdict(features, {name: np.where(rows < 0, 0, v[rows]) for name, v in known.items()}, rows >= 0)

    return Court(judge, {d.name: Attribute(d.kind, d.low, d.high) for d in heads.ATTRIBUTES})


def material(faces, court, outputs_of):
    people = protocol(faces, "test", 5)
    made = pairs(people, 4)
    subject, sample = (np.array([getattr(pair, f"{who}_row") for pair in made]) for who in ("subject", "sample"))
    outputs = outputs_of(subject, sample)
    real = np.concatenate([*people.gallery, *people.probes])
    said_real = court.judge(faces.images(real))
    return Material(faces, people, outputs, subject, sample, court.judge(outputs), real, said_real)


def test_the_subject_himself_is_always_found_and_never_taken_for_the_sample(faces, court):
    values, columns = evaluation.identity(material(faces, court, lambda subject, _: faces.images(subject)))
    assert values["identity/top1"] == values["identity/top1_real"] == 1
    assert values["identity/top1_sample"] == 0
    assert values["identity/cosine_subject"] == pytest.approx(1)
    assert values["identity/cosine_sample"] == values["identity/cosine_unrelated"] == pytest.approx(0)
    assert all(len(column) == 20 for column in columns.values())


def test_the_sample_given_back_is_no_swap_but_follows_every_attribute(faces, court):
    m = material(faces, court, lambda _, sample: faces.images(sample))
    values, _ = evaluation.identity(m)
    assert (values["identity/top1"], values["identity/top1_sample"]) == (0, 1)
    values, _ = evaluation.attributes(court, m)
    for d in heads.ATTRIBUTES:
        assert values[f"attributes/{d.name}_error"] == 0
        assert values[f"attributes/{d.name}_error_unrelated"] > 0


def test_an_image_without_a_face_is_a_failure_not_a_dropped_row(faces, court):
    m = material(faces, court, lambda subject, _: np.zeros((len(subject), 32, 32, 3), np.uint8))
    values, _ = evaluation.identity(m)
    assert values["identity/top1"] == 0
    values, _ = evaluation.attributes(court, m)
    low, high = next((d.low, d.high) for d in heads.ATTRIBUTES if d.name == "yaw")
    assert values["attributes/yaw_error"] == pytest.approx(high - low)


def test_the_true_recombination_has_no_distance_to_the_truth(faces, court):
    def truth(subject, sample):
        return true_recombinations(faces, subject, sample)

    values, _ = evaluation.truth(material(faces, court, truth))
    assert values["truth/ssim"] == pytest.approx(1)
    assert values["truth/psnr"] > 60
    wrong, _ = evaluation.truth(material(faces, court, lambda _, sample: faces.images(sample)))
    assert wrong["truth/ssim"] < 0.95


def test_a_judge_that_knows_everybody_scores_one_on_real_images(faces, court):
    assert top1_real(court.judge, faces, "test", 5) == 1
