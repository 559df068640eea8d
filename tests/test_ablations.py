"""The runs of docs/ablations.md: which are asked for, and how their table reads."""

import subprocess

import pytest

from tools import ablations


@pytest.mark.slow
def test_a_run_that_the_list_does_not_have_is_refused_with_its_name(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["ablations", "no_L_GC", "no_such_run"])
    with pytest.raises(SystemExit) as stopped:
        ablations.main()
    assert stopped.value.code == 2
    assert "no_such_run: not in profiles/ablations.txt" in capsys.readouterr().err


def test_runs_are_named_in_the_order_in_which_they_are_asked_for(monkeypatch, capsys):
    monkeypatch.setattr(ablations, "finished", lambda _: {})
    monkeypatch.setattr("sys.argv", ["ablations", "--table", "logits", "no_L_GC"])
    assert ablations.main() == 1
    names = [line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines()]
    assert names == ["run", "---", "logits", "no_L_GC"]


def test_a_run_that_is_asked_for_alone_says_its_settings():
    assert "losses.ipgan.feature_C=0.0" in ablations.table({"no_L_GC": ablations.listed()["no_L_GC"]}, {})[-1]


def test_cores_are_shared_out_among_the_runs(monkeypatch):
    monkeypatch.setattr(ablations.os, "cpu_count", lambda: 16)
    assert [ablations.environment(jobs)["OMP_NUM_THREADS"] for jobs in (1, 2, 8, 40)] == ["16", "8", "2", "1"]


def test_a_figure_that_a_run_does_not_have_leaves_its_cell_empty():
    row = {"identity/top1.value": 0.9512, "truth/psnr": "None"}
    line = ablations.table({"default": ["train.images=1"]}, {"default": row})[-1]
    assert [cell.strip() for cell in line.split("|")[1:-1]][2:4] == ["0.951", ""]


@pytest.mark.slow
def test_a_shallow_clone_is_refused_before_hours_are_lost_in_it(monkeypatch, tmp_path, capsys):
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{ablations.ROOT}", tmp_path / "clone"], check=True)
    monkeypatch.setattr(ablations, "ROOT", tmp_path / "clone")
    monkeypatch.setattr(ablations, "LIST", tmp_path / "clone" / "profiles" / "ablations.txt")
    monkeypatch.setattr("sys.argv", ["ablations", "no_L_GC"])
    with pytest.raises(SystemExit):
        ablations.main()
    assert "git fetch --unshallow" in capsys.readouterr().err
