"""Who is compared with whom, by a judge that knows every rendered picture: each wrong wire shows in a number."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from pipeline.applications.evaluation import curves, extremes, realism, scores, table
from pipeline.applications.evaluation.bench import Bench, bench
from pipeline.applications.evaluation.kept import NOWHERE, Kept
from pipeline.applications.evaluation.material import MODEL, gather
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

PEOPLE = {"train": (2, 3), "val": (2, 3), "test": (5, 10)}  # and pictures of each


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Rendered people, and a photograph of nobody in particular, of which no truth is known."""
    folder = tmp_path_factory.mktemp("faces")
    with ShardWriter(folder, "faces") as writer:
        for split, (people, pictures) in PEOPLE.items():
            for n in range(people * pictures):
                name = f"{split}{n // pictures}"
                image, landmarks, *vectors = portray(Head("", name, split, 0, n // pictures, n % pictures), 32)
                known = dict(zip(("identity_vector", "attribute_vector"), (v.tolist() for v in vectors), strict=True))
                row = {"identity": name, "split": split, "landmarks": landmarks.ravel().tolist(), **known}
                writer.add(f"{name}-{n}", image, row)
        writer.add("stranger", 255 - image, {"identity": None, "split": "unlabelled"})
        writer.close()
    return Faces(folder)


@pytest.fixture(scope="module")
def court(faces):
    """Knows each picture and each true recombination of the test people, by the bytes; anything else is no face."""
    everyone = np.flatnonzero(faces.coded("identity")[0] >= 0)
    people, known = faces.column("identity", everyone), known_attributes(faces, everyone)
    names, shown = sorted(set(people)), faces.of_split("test")
    seen = {faces.image(row).tobytes(): (names.index(people[row]), row) for row in everyone}
    for subject in shown[:: PEOPLE["test"][1]]:
        for image, sample in zip(true_recombinations(faces, np.repeat(subject, len(shown)), shown), shown, strict=True):
            seen.setdefault(image.tobytes(), (names.index(people[subject]), sample))

    def judge(images):
        who, how = np.array([seen.get(image.tobytes(), (-1, -1)) for image in images]).T
        features = np.eye(len(names), dtype=np.float32)[who] * (who >= 0)[:, None]
        return Verdict(features, {name: np.where(who < 0, 0, v[how]) for name, v in known.items()}, who >= 0)

    return Court(judge, {d.name: Attribute(d.kind, d.low, d.high) for d in heads.ATTRIBUTES})


@dataclass
class Scored:
    """One evaluation: of the model, and of the controls beside it."""

    bench: Bench

    def __getitem__(self, system: str) -> dict[str, float]:
        score = scores.recombinations(self.bench, self.bench.material.answers[system])
        assert all(len(column) == 20 for column in score.columns.values())
        return {name: estimate.value for name, estimate in score.values.items()}

    @property
    def model(self) -> dict[str, float]:
        return self[MODEL]


@pytest.fixture
def scored(faces, court, tmp_path):
    """Outputs that a function makes of subject and sample rows, evaluated."""

    def made(outputs_of, inception=None) -> Scored:
        people = protocol(faces, "test", 5)
        wanted, keys = pairs(people, 4), faces.column("key")
        outputs = outputs_of(*(np.array([pair[column] for pair in wanted]) for column in (2, 3)))
        with ShardWriter(tmp_path / "outputs", "outputs") as writer:
            for i, pair in enumerate(wanted):
                row = {"subject_key": keys[pair.subject_row], "sample_key": keys[pair.sample_row]}
                writer.add(str(i), outputs[i], row)
            writer.close()
        return Scored(bench(court, gather(court, faces, people, Faces(tmp_path / "outputs"), inception)))

    return made


def test_the_subject_himself_is_always_found_and_never_taken_for_the_sample(faces, scored):
    values = scored(lambda subject, _: faces.images(subject)).model
    for name in ("top1", "top5", "tar_at_far_1e-2", "auc"):
        assert values[f"identity/{name}"] == values[f"identity/{name}_real"] == 1
    assert values["identity/top1_sample"] == values["identity/taken_for_sample_at_far_1e-2"] == 0
    assert values["identity/eer"] == values["identity/eer_real"] == 0
    assert values["identity/cosine_subject"] == pytest.approx(1)
    assert values["identity/cosine_sample"] == values["identity/cosine_unrelated"] == pytest.approx(0)


def test_a_rate_that_so_few_photographs_cannot_tell_is_not_measured(faces, scored):
    """Twenty-five probes beside four other people each: a hundred impostors."""
    values = scored(lambda subject, _: faces.images(subject)).model
    assert "identity/tar_at_far_1e-3" not in values
    assert "too few real photographs" in table.not_measured(values)["identity/tar_at_far_1e-3"]


def test_the_sample_given_back_is_no_swap_but_follows_every_attribute(faces, scored):
    values = scored(lambda _, sample: faces.images(sample)).model
    assert (values["identity/top1"], values["identity/top1_sample"]) == (0, 1)
    for d in heads.ATTRIBUTES:
        assert values[f"attributes/{d.name}_error"] == values[f"attributes/{d.name}_error_real"] == 0
        assert values[f"attributes/{d.name}_error_unrelated"] > 0


def test_an_image_without_a_face_is_a_failure_not_a_dropped_row(scored):
    values = scored(lambda subject, _: np.zeros((len(subject), 32, 32, 3), np.uint8)).model
    assert values["identity/top1"] == values["identity/top5"] == values["identity/tar_at_far_1e-2"] == 0
    assert values["identity/cosine_subject"] == 0
    low, high = next((d.low, d.high) for d in heads.ATTRIBUTES if d.name == "yaw")
    assert values["attributes/yaw_error"] == pytest.approx(high - low)
    assert values["attributes/yaw_error_real"] == 0


def test_the_true_recombination_has_no_distance_to_the_truth(faces, scored):
    true = scored(lambda subject, sample: true_recombinations(faces, subject, sample)).model
    assert true["truth/ssim"] == pytest.approx(1)
    assert true["truth/psnr"] > 60
    assert true["truth/feature_distance"] == pytest.approx(0)
    wrong = scored(lambda _, sample: faces.images(sample))
    assert wrong.model["truth/ssim"] < 0.95
    assert wrong.model["truth/psnr"] == wrong["copy_sample"]["truth/psnr"]


def test_every_control_lands_where_it_must(faces, scored):
    """Before a judge that makes no mistake; what does not depend on the model."""
    controls = scored(lambda subject, _: faces.images(subject))
    top1 = {name: controls[name]["identity/top1"] for name in controls.bench.material.answers}
    followed = {name: controls[name]["attributes/yaw_error"] for name in controls.bench.material.answers}
    no_face = {"truth_blurred", "mean_face"}
    subject = {MODEL, "truth", "copy_subject", "another_photograph"}
    assert {name for name, share in top1.items() if share == 1} == subject
    assert {name for name, share in top1.items() if share == 0} == set(top1) - subject
    assert {name for name, error in followed.items() if error == 0} == {"truth", "copy_sample", "truth_of_another"}
    assert all(followed[name] == 90 for name in no_face)
    assert controls["copy_sample"]["identity/top1_sample"] == 1
    assert controls["truth_of_another"]["identity/top1_sample"] == 0
    assert controls["truth_blurred"]["truth/psnr"] < controls["truth"]["truth/psnr"]
    assert controls["truth"]["realism/precision"] > 0.9


def test_no_other_constant_answer_is_nearer_to_the_truth_than_the_mean_face(faces, scored):
    first = scored(lambda subject, _: np.repeat([np.zeros_like(faces.image(0))], len(subject), 0))
    near = first["mean_face"]["truth/psnr"]
    assert first.model["truth/psnr"] < near
    for other in (faces.image(0), np.full_like(faces.image(0), 128)):
        values = scored(lambda subject, _, other=other: np.repeat([other], len(subject), 0)).model
        assert values["truth/psnr"] < near


def test_no_training_image_is_nearer_to_the_truth_than_the_nearest(faces, scored):
    wanted = scored(lambda subject, _: faces.images(subject))
    nearest = wanted.bench.material.answers["nearest_training_image"].truth["truth/psnr"]
    for row in faces.of_split("train"):
        one = scored(lambda subject, _, row=row: np.repeat([faces.image(row)], len(subject), 0))
        # It is looked for among small pictures.
        assert (one.bench.material.answers[MODEL].truth["truth/psnr"] <= nearest + 0.5).all()


def test_curves_say_what_the_numbers_say(faces, scored):
    evaluated = scored(lambda _, sample: faces.images(sample))
    figures = scores.recombinations(evaluated.bench, evaluated.bench.model).figures
    roc, by_yaw, nearest = curves.curves(evaluated.bench, figures)
    assert roc.columns == ["log10_false_accept", "synthesized", "real"]
    assert (roc.rows[0][0], roc.rows[-1]) == (-3, [0, 1, 1])
    # Photographs are told apart; the sample given back is accepted as the subject only where everybody is.
    assert all((made, real) == (0, 1) for _, made, real in roc.rows[:-1])
    assert sum(row[1] for row in by_yaw.rows) == 20
    yaw = by_yaw.columns.index("attributes/yaw_error")
    assert [row[yaw] for row in by_yaw.rows] == [0] * len(by_yaw.rows)
    assert nearest.columns == ["cosine_from", "synthesized", "real"]
    for column in (1, 2):
        assert sum(row[column] for row in nearest.rows) == pytest.approx(1, abs=1e-3)
    mean = figures["memorisation/nearest_cosine"].column.mean().item()
    assert sum((row[0] + 0.025) * row[1] for row in nearest.rows) == pytest.approx(mean, abs=0.03)


def test_the_worst_cases_stand_first(faces, scored):
    right = {0, 7, 12, 19}

    def outputs(subject, sample):
        shown = [s if i in right else a for i, (s, a) in enumerate(zip(subject, sample, strict=True))]
        return faces.images(np.array(shown))

    evaluated = scored(outputs)
    figures = scores.recombinations(evaluated.bench, evaluated.bench.model).figures
    leading, _ = extremes.rankings(evaluated.bench, figures)
    pictures = {name: (caption, made) for name, caption, made in extremes.pictures(evaluated.bench, leading)}
    assert list(pictures) == ["cases_cosine_subject", "cases_yaw_error", "cases_psnr"]
    caption, picture = pictures["cases_cosine_subject"]
    assert "subject, sample, answer, truth" in caption
    subject, answer = (picture[row * 34 : row * 34 + 32] for row in (0, 2))  # 32 pixels and a gap of 2
    same = [np.array_equal(subject[:, x : x + 32], answer[:, x : x + 32]) for x in range(0, picture.shape[1], 34)]
    assert same[:6] == [False] * 6
    assert same[-4:] == [True] * 4


def test_every_metric_that_puts_cases_in_order_does(faces, scored):
    """But not a yes or no, nor an attribute that the judge does not read; and no case in which it is not seen."""
    evaluated = scored(lambda _, sample: faces.images(np.roll(sample, 1)))
    figures = scores.recombinations(evaluated.bench, evaluated.bench.model).figures
    unread = figures["attributes/smile_error_unrelated"].column
    figures["attributes/smile_error_real"] = evaluated.bench.of_pairs(unread * 0.5)
    leading, others = extremes.rankings(evaluated.bench, figures)
    names = [ranking.metric for ranking in others]
    assert [ranking.metric for ranking in leading] == list(extremes.LEADING)
    assert {
        "identity/cosine_sample",
        "attributes/pitch_error",
        "truth/ssim_mouth",
        "memorisation/nearest_cosine",
    } <= set(names)
    assert not {"attributes/smile_error", "attributes/glasses_error", "identity/top1", "truth/psnr"} & set(names)
    assert not [name for name in names if name.endswith(("_real", "_unrelated"))]
    for ranking in others:
        figure = figures[ranking.metric]
        column = figure.column.double()[ranking.order]
        more = ranking.metric.startswith(extremes.MORE)
        assert ((column.diff() >= 0) if more else (column.diff() <= 0)).all()
        seen = torch.ones(20, dtype=torch.bool) if figure.counted is None else figure.counted
        assert sorted(ranking.order) == seen.nonzero().squeeze(1).tolist()


def test_cases_are_a_table_of_the_ends_of_each_order(faces, scored):
    evaluated = scored(lambda _, sample: faces.images(np.roll(sample, 1)))
    score = scores.recombinations(evaluated.bench, evaluated.bench.model)
    leading, others = extremes.rankings(evaluated.bench, score.figures)
    rows = table.cases(evaluated.bench.material, score.columns)
    columns, shown = extremes.extremes(evaluated.bench, leading + others, rows)
    assert columns[:6] == ["metric", "place", "subject_image", "sample_image", "output", "truth"]
    assert len(shown) == 20 * len(leading) + 8 * len(others)  # of twenty cases the worst ten and the best ten are all
    asked, made = evaluated.bench.material.asked, evaluated.bench.model.images
    order = others[-1].order
    for case, row in zip(order[:4] + order[-4:], shown[-8:], strict=True):
        subject, sample = asked.subject_rows[[case]], asked.sample_rows[[case]]
        true = true_recombinations(faces, subject, sample)[0]
        wanted = (faces.image(subject[0]), faces.image(sample[0]), made[case], true)
        assert all(np.array_equal(image, other) for image, other in zip(row[2:6], wanted, strict=True))
    assert [row[1] for row in shown[-8:]] == [f"worst {n}" for n in (1, 2, 3, 4)] + [f"best {n}" for n in (4, 3, 2, 1)]


def test_copies_of_this_process_find_the_same_and_need_no_attribute_that_is_not_shown(faces, court, scored, tmp_path):
    """A judge that may be copied, and who recognises without a word of attributes."""

    def recognise(images):
        return court.judge(images)._replace(attributes={})

    alone = scored(lambda _, sample: faces.images(np.roll(sample, 1))).bench
    ours = court._replace(recogniser=recognise)
    copied = bench(ours, gather(ours, faces, alone.material.people, Faces(tmp_path / "outputs"), None))
    assert (alone.court.copied, copied.court.copied) == (False, True)
    wanted, found = (scores.everything(b, None) for b in (alone, copied))
    for those, others in ((wanted.systems, found.systems), (wanted.groups, found.groups)):
        assert those.keys() == others.keys()
        for name, estimates in those.items():
            assert estimates.keys() == others[name].keys()
            for key, estimate in estimates.items():
                np.testing.assert_allclose(others[name][key], estimate, rtol=1e-9, atol=1e-12, err_msg=f"{name} {key}")


def test_the_next_model_meets_controls_that_are_not_looked_at_again(faces, court, scored, tmp_path):
    shown, kept = [], Kept(tmp_path / "kept")

    def judge(images):
        shown.append(len(images))
        return court.judge(images)

    def evaluated(outputs, kept):
        people = scored(outputs).bench.material.people
        ours = court._replace(judge=judge)
        shown.clear()
        b = bench(ours, gather(ours, faces, people, Faces(tmp_path / "outputs"), None, kept))
        return sum(shown), scores.everything(b, None, kept)

    looked, _ = evaluated(lambda subject, _: faces.images(subject), kept)
    again, found = evaluated(lambda _, sample: faces.images(sample), kept)
    anew, wanted = evaluated(lambda _, sample: faces.images(sample), NOWHERE)
    assert again <= 60 < looked  # twenty outputs, and each with true surroundings of its eyes and of its mouth
    assert anew == looked
    assert found.systems == wanted.systems
    assert found.groups == wanted.groups
    for name, answers in wanted.model.figures.items():
        assert torch.equal(answers.column, found.model.figures[name].column)


def test_controls_that_were_asked_for_other_pairs_are_others(faces, court, scored):
    asked = scored(lambda subject, _: faces.images(subject)).bench.material.asked
    assert asked.digest == asked.part(np.arange(20)).digest
    others = [asked.part(np.arange(19)), asked._replace(subject_rows=asked.subject_rows[::-1])]
    others += [asked._replace(sample_rows=asked.sample_rows[::-1])]
    others += [asked._replace(people=protocol(faces, "test", 4)), asked._replace(people=protocol(faces, "train", 2))]
    assert len({asked.digest, *(other.digest for other in others)}) == 6


def test_photographs_that_were_seen_are_not_taken_for_others(faces, court, scored, tmp_path):
    """Another method is asked about other people, with the same judge."""
    kept = Kept(tmp_path / "kept")
    scored(lambda subject, _: faces.images(subject))
    outputs = Faces(tmp_path / "outputs")
    for people in (protocol(faces, "test", 5), protocol(faces, "test", 4), protocol(faces, "test", 5)):
        seen = gather(court, faces, people, outputs, None, kept).real.features
        np.testing.assert_array_equal(seen, court.judge(faces.images(people.rows)).features)


def test_a_judge_that_knows_everybody_scores_one_on_real_images(faces, court):
    people = protocol(faces, "test", 5)
    assert top1_real(judged(court.judge, faces, people.rows), people) == 1


def test_attributes_that_nobody_knows_are_those_that_the_judge_sees_in_the_sample(faces, scored, monkeypatch):
    """As with photographs: the sample given back has no error there either, which says nothing of the judge."""
    monkeypatch.setattr(Faces, "has", lambda self, name, rows: name == "sample_key")
    evaluated = scored(lambda _, sample: faces.images(sample))
    assert set(evaluated.bench.material.answers) == {MODEL, "copy_sample", "copy_subject", "another_photograph"}
    assert evaluated.bench.material.answers[MODEL].truth == {}
    assert evaluated.model["attributes/yaw_error"] == 0
    assert evaluated.model["attributes/yaw_error_unrelated"] > 0
    assert "attributes/yaw_error_real" not in evaluated.model


@pytest.mark.slow
def test_inception_sees_every_output_and_every_photograph_once(faces, scored, tmp_path, monkeypatch):
    monkeypatch.setattr(realism, "HALVES", 2)

    class Brightness(torch.nn.Module):
        def forward(self, images: torch.Tensor, return_features: bool) -> torch.Tensor:
            return images.float().mean(dim=[1, 2, 3])[:, None].expand(-1, 2048)

    torch.jit.script(Brightness()).save(str(tmp_path / "inception.pt"))
    evaluated = scored(lambda subject, _: faces.images(subject), tmp_path / "inception.pt")
    m = evaluated.bench.material
    made, real = m.answers[MODEL].inception, m.inception
    for seen, shown in ((made, m.asked.subject_rows), (real, m.people.rows)):
        assert seen.shape == (len(shown), 2048)
        torch.testing.assert_close(seen[:, 0], torch.from_numpy(faces.images(shown).mean((1, 2, 3))).float())
    values = evaluated.model
    # All features are one number: the distance is that of two lines, 2048 times.
    (mean, deviation), (mean_real, deviation_real) = (
        (x.mean(), x.std()) for x in (made[:, 0].double(), real[:, 0].double())
    )
    wanted = 2048 * ((mean - mean_real) ** 2 + (deviation - deviation_real) ** 2)
    assert values["realism/fid"] == pytest.approx(wanted.item(), rel=2e-5)  # of 2048 numbers that are one
    assert {"realism/fid", "realism/kid"} <= set(values)
    assert "realism/fid_at_infinity" not in values
    assert "realism/fid" not in evaluated["copy_sample"]


def test_the_order_of_images_outlives_the_chunks_they_are_judged_in(faces, court):
    rows = np.random.default_rng(0).integers(len(faces), size=150)
    said, whole = judged(court.judge, faces, rows), court.judge(faces.images(rows))
    assert np.array_equal(said.features, whole.features)
    assert np.array_equal(said.attributes["yaw"], whole.attributes["yaw"])
    halves = joined([said.part(slice(70)), said.part(slice(70, None))])
    assert np.array_equal(halves.features, whole.features)
