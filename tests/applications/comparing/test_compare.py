"""Experiments stand side by side, from git and from the workspace; each mistake is one sentence."""

import json
import re

import pytest

from pipeline.applications.comparing.experiment import Experiment, Measured
from pipeline.applications.comparing.sources import named
from pipeline.applications.comparing.table import as_text, param_rows
from pipeline.errors import UserError
from tests.applications.comparing.conftest import EVALUATED, PARAMS, Project
from tests.conftest import ROOT


def rows(text: str) -> dict[str, list[str]]:
    """First word of a line -> the others."""
    return {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip() and line[0] != " "}


def test_the_table_has_what_differs_and_few_metrics(project):
    done = project.compare("baseline", "HEAD")
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    assert found["train.images"] == ["42000", "84000"]
    assert found["identity/top1"] == ["0.800", "0.900", "+0.100*"]
    assert found["attributes/yaw_error"] == ["6", "6", "±0"]
    assert not {"train.batch_size", "train.flip", "attributes/smile_error"} & found.keys()
    assert "1 more params are in some and not in others: --all" in done.stdout
    assert "1 more metrics: --all" in done.stdout


def test_all_has_every_metric_and_param(project):
    found = rows(project.compare("baseline", "HEAD", "--all").stdout)
    assert found["attributes/smile_error"] == ["0.500", "0.500", "±0"]
    assert found["train.flip"] == ["false"]


def test_an_interval_stands_below_its_number(project):
    lines = project.compare("baseline", "HEAD").stdout.splitlines()
    (at,) = [i for i, line in enumerate(lines) if line.startswith("identity/top1 ")]
    assert lines[at + 1].split("  ")[0] == ""
    assert "0.750 to 0.850" in lines[at + 1]
    assert lines[at + 1].index("0.860 to 0.940") == lines[at].index("0.900")


def test_json_has_the_same_keys_for_each_experiment(project):
    found = project.as_json("baseline", "HEAD", "workspace")
    assert {len(row) for row in (*found["metrics"].values(), *found["params"].values())} == {3}
    assert found["metrics"]["truth/psnr"][0] is None
    assert found["metrics"]["identity/top1"][1] == {
        "value": 0.9,
        "low": 0.86,
        "high": 0.94,
        "n": 768,
        "difference": pytest.approx(0.1),
        "overlap": False,
        "better": True,
    }
    assert found["metrics"]["attributes/yaw_error"][1]["overlap"] is True
    assert found["metrics"]["attributes/smile_error"][1]["overlap"] is None
    assert "not_measured" not in found["metrics"]


def test_without_names_the_workspace_is_compared_with_the_last_commit(project):
    project.write("results/evaluate/metrics.json", EVALUATED | {"attributes/yaw_error": 12.0})
    found = project.as_json()
    assert [experiment["name"] for experiment in found["experiments"]] == ["HEAD", "workspace"]
    yaw = found["metrics"]["attributes/yaw_error"][1]
    assert (yaw["difference"], yaw["better"]) == (6.0, False)


def test_a_number_that_looks_the_same_is_neither_better_nor_worse(project):
    project.write("results/evaluate/metrics.json", EVALUATED | {"attributes/yaw_error": 6.000001})
    assert project.as_json()["metrics"]["attributes/yaw_error"][1]["better"] is None


def test_a_param_that_wandb_writes_without_its_point_does_not_differ():
    written = {"scale": 16.0, "sizes": [1.0, 2.0], "flip": True, "images": 8}
    read = {"scale": 16, "sizes": [1, 2], "flip": 1, "images": 9}
    differ, _ = param_rows([Experiment(name, "", params, {}, {}, {}) for name, params in (("a", written), ("b", read))])
    assert differ == {"flip": [True, 1], "images": [8, 9]}


def test_another_judge_is_said_to_differ(empty):
    for number in (1, 2):
        outs = [{"path": "models/judge", "md5": f"{number:032x}.dir"}, {"path": "data/faces", "md5": f"{0:032x}.dir"}]
        empty.write("dvc.lock", {"schema": "2.0", "stages": {"judge": {"cmd": "x", "outs": outs}}})
        empty.commit(f"judge {number}")
    done = empty.compare("HEAD~1", "HEAD")
    assert "models/judge is not the same in all" in done.stdout
    assert "data/faces" not in done.stdout
    assert "No param differs." in done.stdout


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nonsense", "nonsense: neither a git revision, nor an experiment"),
        ("HEAD~9", "HEAD~9: neither a git revision"),
        ("--output=x", "--output=x: neither a git revision"),
        ("results", "results: neither a git revision"),
        ("before", "before: no results/*/metrics.json there: name a revision from `git log"),
    ],
)
def test_a_name_that_means_nothing_is_one_sentence(project, monkeypatch, name, said):
    project.git("checkout", "-q", "--orphan", "without")
    project.git("rm", "-rqf", "--cached", ".")
    project.git("commit", "-q", "--allow-empty", "-m", "nothing")
    project.git("tag", "before")
    project.git("checkout", "-qf", "main")
    monkeypatch.chdir(project.top)
    with pytest.raises(UserError) as raised:
        named(["HEAD", name])
    assert str(raised.value).startswith(said)
    assert "\n" not in str(raised.value)


def test_a_mistake_ends_the_command_without_a_traceback_or_a_page(project):
    done = project.compare("nonsense")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    done = project.compare("--out", "params.yaml/page.html")
    assert done.returncode == 1
    assert done.stderr.startswith("params.yaml/page.html: cannot be written")
    assert not (project.top / "results/compare").exists()


def test_damaged_metrics_are_named_with_the_way_out(project):
    project.write("results/evaluate/metrics.json", "{")
    done = project.compare()
    assert done.returncode == 1
    assert done.stderr == (
        "workspace: results/evaluate/metrics.json is no JSON of metrics: "
        "`git checkout results/evaluate/metrics.json` brings the committed one back\n"
    )


def test_outside_a_repository_it_says_so(tmp_path):
    project = Project(tmp_path)
    (tmp_path / ".git").rename(tmp_path / "elsewhere")
    done = project.compare(GIT_CEILING_DIRECTORIES=str(tmp_path.parent))
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)


def test_cells_that_are_no_numbers_are_left_empty(empty):
    broken = {"identity/top1": {"value": "high"}, "truth/psnr": None, "val/psnr": {"value": 2.0, "low": 1.0}}
    empty.commit("odd", evaluated=broken | {"attributes/yaw_error": True}, validation="images,val/psnr\n6000\n,x,y\n")
    found = empty.as_json("HEAD")["metrics"]
    assert {key: row[0]["value"] for key, row in found.items()} == {"val/psnr": 2.0}
    assert found["val/psnr"][0]["low"] is None


def test_a_wide_table_is_cut_into_blocks_that_begin_with_the_first():
    experiments = [Experiment(f"experiment{i}", "", {}, {"truth/psnr": Measured(20.0 + i)}, {}, {}) for i in range(4)]
    lines = as_text(experiments, everything=False, width=60).splitlines()
    assert max(map(len, lines)) <= 60
    heads = [line.split() for line in lines if "experiment0" in line]
    assert heads == [["experiment0", "experiment1", "experiment2"], ["experiment0", "experiment3"]]
    assert len([line for line in as_text(experiments, everything=False).splitlines() if "experiment0" in line]) == 1


def documented(begin: str) -> str:
    """A command that the documentation says how to call, which begins so."""
    text = (ROOT / "docs/experiments.md").read_text()
    return re.search(rf"^    ({re.escape(begin)}.*?)\n\n", text, re.DOTALL | re.MULTILINE)[1]


@pytest.mark.parametrize("begin", ["dvc exp show", "dvc exp diff"])
def test_make_chooses_the_columns_that_are_documented(begin):
    chosen = re.findall(r"'.*?'", documented(begin))
    assert chosen
    assert [words for words in chosen if words.replace("$", "$$") not in (ROOT / "Makefile").read_text()] == []


@pytest.mark.slow
def test_experiments_of_dvc_are_found_by_name_with_their_grids(empty):
    """With DVC itself: `dvc exp run`, and its cache."""
    empty.write(
        "make.py",
        "import json, pathlib, yaml\nfrom PIL import Image\n"
        "images = yaml.safe_load(open('params.yaml'))['train']['images']\n"
        "metrics = pathlib.Path('results/evaluate/metrics.json')\n"
        "metrics.parent.mkdir(parents=True, exist_ok=True)\n"
        "psnr = images / 1000\n"
        "known = {'truth/psnr': {'value': psnr, 'low': psnr - 1, 'high': psnr + 1, 'n': 9}, 'truth/ssim': psnr / 99}\n"
        "metrics.write_text(json.dumps(known))\n"
        "metrics.with_name('headline.json').write_text(json.dumps({'truth/psnr': psnr, 'prepare/images': images}))\n"
        "grid = pathlib.Path('results/synthesize/grid.png')\n"
        "grid.parent.mkdir(parents=True, exist_ok=True)\n"
        "Image.new('RGB', (images // 1000, 24)).save(grid)\n"
        "curve = pathlib.Path('results/train/plots/validation.csv')\n"
        "curve.parent.mkdir(parents=True, exist_ok=True)\n"
        "curve.write_text(f'images,val/psnr\\n{images},{psnr}\\n')\n",
    )
    numbers = [{f"results/evaluate/{name}.json": {"cache": False}} for name in ("metrics", "headline")]
    outs = ["results/synthesize/grid.png", *numbers]
    curve = "results/train/plots/validation.csv"
    stage = {
        "cmd": "python make.py",
        "deps": ["make.py"],
        "params": ["train"],
        "outs": [*outs, {curve: {"cache": False}}],
    }
    plots = [{"truth while training": {"x": "images", "y": {curve: "val/psnr"}}}]
    described = {"stages": {"evaluate": stage}, "metrics": ["results/evaluate/headline.json"], "plots": plots}
    empty.write("dvc.yaml", described)
    empty.write("params.yaml", PARAMS)
    for words in (("dvc", "init", "-q"), ("dvc", "repro", "-q")):
        done = empty.command(*words)
        assert done.returncode == 0, done.stderr
    empty.git("add", ".")
    empty.git("commit", "-qm", "baseline")
    done = empty.command("dvc", "exp", "run", "-q", "-n", "longer", "-S", "train.images=84000")
    assert done.returncode == 0, done.stderr

    found = empty.as_json()
    assert [experiment["name"] for experiment in found["experiments"]] == ["HEAD", "workspace", "longer"]
    assert found["params"] == {"train.images": [42000, 84000, 84000]}
    assert [cell["value"] for cell in found["metrics"]["truth/psnr"]] == [42.0, 84.0, 84.0]
    assert empty.as_json("longer")["metrics"]["truth/psnr"][0]["value"] == 84.0
    page = (empty.top / "results/compare/index.html").read_text()
    assert 'alt="the grid of longer"' in page
    assert 'width="84"' in page
    done = empty.command("sh", "-c", f"{documented('dvc exp show')} --no-pager", COLUMNS="200")
    head = done.stdout.splitlines()[1].split()
    assert {"Experiment", "truth/psnr", "train.images"} <= set(head), done.stderr
    assert not {"prepare/images", "train.batch_size", "Created"} & set(head)
    done = empty.command("sh", "-c", documented("dvc exp diff"), COLUMNS="200")
    differ = [line.split() for line in done.stdout.splitlines()]
    assert ["truth/psnr", "42", "84", "42"] in differ, done.stdout + done.stderr
    assert ["train.images", "42000", "84000", "42000"] in differ
    assert "prepare/images" not in {row[0] for row in differ}
    done = empty.command("dvc", "plots", "diff", "HEAD", "longer", "--json")
    drawn = json.loads(done.stdout)["data"]["truth while training"][0]["content"]["data"]["values"]
    assert {(point["rev"], point["val/psnr"]) for point in drawn} == {("HEAD", "42.0"), ("longer", "84.0")}
    assert empty.command("sh", "-c", documented("dvc exp run --queue")).returncode == 0
    queued = empty.command("dvc", "queue", "status").stdout
    waiting = re.findall(r"(images-\d) .* (\w+)$", queued, re.MULTILINE)
    assert waiting == [("images-1", "Queued"), ("images-2", "Queued")]

    (empty.top / ".dvc/cache").rename(empty.top / ".dvc/gone")
    empty.compare("HEAD", "longer")
    assert "the grid of" not in (empty.top / "results/compare/index.html").read_text()


def test_the_table_is_for_people_and_the_page_for_later(project):
    done = project.compare("baseline", "HEAD", "--out", "mine/page.html")
    assert done.stderr == "mine/page.html\n"
    assert [path.name for path in (project.top / "mine").iterdir()] == ["page.html"]
    json.loads(project.compare("baseline", "--json").stdout)
