"""What a person can do something about is said in a sentence; anything else stays what it is."""

import pytest
import torch

from pipeline.training.failures import explained


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"),
    ],
)
@pytest.mark.parametrize(("section", "width"), [("train", "model.width"), ("judge", "judge.width")])
def test_memory_that_is_short_names_the_stages_own_knobs(error, section, width):
    sentence = explained(error, 1, [], section, 32)
    assert str(sentence).startswith(f"{section}: out of memory: lower {section}.batch_size (now 32) in params.yaml, ")
    assert f"or {width}, or" in str(sentence)


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("gloo"), RuntimeError("gloo: reset")])
def test_what_nobody_can_explain_stays_what_it_is(error):
    assert explained(error, 1, [], "train", 32) is None


def test_a_lost_connection_is_another_process_that_died():
    sentence = explained(RuntimeError("gloo: connection closed by peer"), 2, [], "train", 32)
    assert str(sentence).startswith("train: another of the 2 processes died; run the command again")
