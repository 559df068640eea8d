"""Who is compared with whom, by a judge that knows every rendered picture: each wrong wire shows in a number."""

import numpy as np
import pytest
import torch

from pipeline.applications import evaluation
from pipeline.applications.judging import Court, known_attributes
from pipeline.applications.retrieval import judged, top1_real
from pipeline.datasets import heads
from pipeline.datasets.faces import Head
from pipeline.datasets.protocol import pairs, protocol
from pipeline.datasets.shards import Faces, ShardWriter
from pipeline.datasets.sources.rendered import portray
from pipeline.datasets.true_answers import true_recombinations
from pipeline.judges.verdict import Verdict, joined
from pipeline.metrics.attributes import Attribute

PEOPLE = {"val": (2, 3), "test": (5, 7)}  # and pictures of each


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Rendered people, and a photograph of nobody in particular, of which no truth is known."""
    folder = tmp_path_factory.mktemp("faces")
    with ShardWriter(folder, "faces") as writer:
        for split, (people, pictures) in PEOPLE.items():
            for n in range(people * pictures):
                name = f"{split}{n // pictures}"
                image, _, *vectors = portray(Head("", name, split, 0, n // pictures, n % pictures), 32)
                known = dict(zip(("identity_vector", "attribute_vector"), (v.tolist() for v in vectors), strict=True))
                writer.add(f"{name}-{n}", image, {"identity": name, "split": split, **known})
        writer.add("stranger", 255 - image, {"identity": None, "split": "unlabelled"})
        writer.close()
    return Faces(folder)


@pytest.fixture
def court(faces):
    """Knows whose each picture is and its attributes, by the bytes; in anything else it finds no face."""
    everyone = np.flatnonzero(faces.coded("identity")[0] >= 0)
    names, known = sorted(set(faces.column("identity", everyone))), known_attributes(faces, everyone)
    row_of = {faces.image(row).tobytes(): row for row in everyone}

    def judge(images):
        rows = np.array([row_of.get(image.tobytes(), -1) for image in images])
        people = [names.index(faces.column("identity")[row]) for row in rows.clip(0)]
        features = np.eye(len(names), dtype=np.float32)[people] * (rows >= 0)[:, None]
        return Verdict(features, {name: np.where(rows < 0, 0, v[rows]) for name, v in known.items()}, rows >= 0)

    return Court(judge, {d.name: Attribute(d.kind, d.low, d.high) for d in heads.ATTRIBUTES})


@pytest.fixture
def material(faces, court, tmp_path):
    """Of outputs that a function makes of subject and sample rows."""

    def made(outputs_of, inception=None):
        people = protocol(faces, "test", 5)
        wanted, keys = pairs(people, 4), faces.column("key")
        outputs = outputs_of(*(np.array([pair[column] for pair in wanted]) for column in (2, 3)))
        with ShardWriter(tmp_path / "outputs", "outputs") as writer:
            for i, pair in enumerate(wanted):
                row = {"subject_key": keys[pair.subject_row], "sample_key": keys[pair.sample_row]}
                writer.add(str(i), outputs[i], row)
            writer.close()
        return evaluation.gather(court, faces, people, Faces(tmp_path / "outputs"), inception)

    return made


def test_the_subject_himself_is_always_found_and_never_taken_for_the_sample(faces, material):
    values, columns = evaluation.identity(material(lambda subject, _: faces.images(subject)))
    assert values["identity/top1"] == values["identity/top1_real"] == 1
    assert values["identity/top1_sample"] == 0
    assert values["identity/cosine_subject"] == pytest.approx(1)
    assert values["identity/cosine_sample"] == values["identity/cosine_unrelated"] == pytest.approx(0)
    assert all(len(column) == 20 for column in columns.values())


def test_the_sample_given_back_is_no_swap_but_follows_every_attribute(faces, court, material):
    m = material(lambda _, sample: faces.images(sample))
    values, _ = evaluation.identity(m)
    assert (values["identity/top1"], values["identity/top1_sample"]) == (0, 1)
    values, _ = evaluation.attributes(court, m)
    for d in heads.ATTRIBUTES:
        assert values[f"attributes/{d.name}_error"] == 0
        assert values[f"attributes/{d.name}_error_unrelated"] > 0


def test_an_image_without_a_face_is_a_failure_not_a_dropped_row(court, material):
    m = material(lambda subject, _: np.zeros((len(subject), 32, 32, 3), np.uint8))
    values, _ = evaluation.identity(m)
    assert values["identity/top1"] == 0
    values, _ = evaluation.attributes(court, m)
    low, high = next((d.low, d.high) for d in heads.ATTRIBUTES if d.name == "yaw")
    assert values["attributes/yaw_error"] == pytest.approx(high - low)


def test_the_true_recombination_has_no_distance_to_the_truth(faces, material):
    def truth(subject, sample):
        return true_recombinations(faces, subject, sample)

    values, _ = evaluation.truth(material(truth))
    assert values["truth/ssim"] == pytest.approx(1)
    assert values["truth/psnr"] > 60
    wrong, _ = evaluation.truth(material(lambda _, sample: faces.images(sample)))
    assert wrong["truth/ssim"] < 0.95
    assert wrong["truth/psnr"] == wrong["truth/psnr_sample"] == values["truth/psnr_sample"]


def test_no_other_constant_answer_is_nearer_to_the_truth_than_the_mean_face(faces, material):
    mean = faces.images(np.arange(len(faces)))[:-1].mean(axis=0).round().astype(np.uint8)
    values, _ = evaluation.truth(material(lambda subject, _: np.repeat([mean], len(subject), 0)))
    near = values["truth/psnr_mean_face"]
    assert values["truth/psnr"] == pytest.approx(near, abs=0.5)  # of another choice of photographs
    for other in (np.zeros_like(mean), faces.image(0), np.full_like(mean, mean.mean())):
        values, _ = evaluation.truth(material(lambda subject, _, other=other: np.repeat([other], len(subject), 0)))
        assert values["truth/psnr"] < near


def test_a_judge_that_knows_everybody_scores_one_on_real_images(faces, court):
    people = protocol(faces, "test", 5)
    assert top1_real(judged(court.judge, faces, people.rows), people) == 1


def test_attributes_that_nobody_knows_are_those_that_the_judge_sees_in_the_sample(faces, court, material, monkeypatch):
    """As with photographs: the sample given back has no error there either."""
    monkeypatch.setattr(Faces, "has", lambda self, name, rows: name == "sample_key")
    m = material(lambda _, sample: faces.images(sample))
    values, _ = evaluation.attributes(court, m)
    assert m.truth == {}
    assert values["attributes/yaw_error"] == 0
    assert values["attributes/yaw_error_unrelated"] > 0


def test_inception_sees_every_output_and_every_photograph_once(faces, material, tmp_path):
    class Brightness(torch.nn.Module):
        def forward(self, images: torch.Tensor, return_features: bool) -> torch.Tensor:
            return images.float().mean(dim=[1, 2, 3])[:, None].expand(-1, 2048)

    torch.jit.script(Brightness()).save(str(tmp_path / "inception.pt"))
    m = material(lambda subject, _: faces.images(subject), tmp_path / "inception.pt")
    photographs = faces.images(m.people.rows)
    assert m.fid.count.tolist() == [len(m.subject_rows), len(photographs)]
    sums = [images.mean((1, 2, 3)).sum() for images in (faces.images(m.subject_rows), photographs)]
    assert m.fid.total[:, 0].tolist() == pytest.approx(sums)


def test_the_order_of_images_outlives_the_chunks_they_are_judged_in(faces, court):
    rows = np.random.default_rng(0).integers(len(faces), size=150)
    said, whole = judged(court.judge, faces, rows), court.judge(faces.images(rows))
    assert np.array_equal(said.features, whole.features)
    assert np.array_equal(said.attributes["yaw"], whole.attributes["yaw"])
    halves = joined([said.part(slice(70)), said.part(slice(70, None))])
    assert np.array_equal(halves.features, whole.features)
