"""Where a stage runs: what is refused before anything starts, and who has which device."""

import pytest
import torch

from pipeline.errors import UserError
from pipeline.training.devices import Processes, device, first_goes_on


def test_nothing_set_is_one_process_a_gpu_or_one():
    assert Processes.read().world == max(1, torch.cuda.device_count())


def test_a_batch_is_split_evenly_or_refused_with_its_name():
    processes = Processes("cpu", 2, 2)
    processes.check_split("judge", 64)
    with pytest.raises(UserError, match=r"^judge\.batch_size 62 cannot be split over 4 processes"):
        processes.check_split("judge", 62)


def test_machines_that_nobody_introduces_to_each_other_are_refused(monkeypatch):
    monkeypatch.setenv("FACET_NODES", "2")
    monkeypatch.setenv("FACET_DEVICES", "1")
    with pytest.raises(UserError, match="FACET_NODES is 2: set MASTER_ADDR"):
        Processes.read()
    monkeypatch.setenv("MASTER_ADDR", "first.example")
    assert Processes.read().world == 2


def test_a_process_that_shares_nothing_goes_on():
    first_goes_on()


def test_every_process_has_a_device_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: torch.device("cuda"))
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert device() == torch.device("cuda", 3)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: None)
    assert device() == torch.device("cpu")
