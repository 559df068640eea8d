"""Where a stage runs: what is refused before anything starts, and who has which device."""

import pytest
import torch

from pipeline.errors import UserError
from pipeline.training.devices import Processes, arithmetic, device, first_goes_on


def test_nothing_set_is_one_process_a_gpu_or_one():
    assert Processes.read().world == max(1, torch.cuda.device_count())


@pytest.mark.parametrize("has", ["avx512_bf16", "amx_bf16", "bf16"])
def test_auto_is_bf16_where_the_processor_has_it_and_float32_where_it_would_be_emulated(monkeypatch, has):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for there, meant in ((True, "bf16-mixed"), (False, "32-true")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda there=there: {"avx2": True, has: there})
        assert arithmetic("auto") == meant


def test_a_precision_that_is_asked_for_is_had_on_any_machine(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert [arithmetic(name) for name in ("32-true", "bf16-mixed")] == ["32-true", "bf16-mixed"]


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
