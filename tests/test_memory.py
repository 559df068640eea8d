"""What is done about memory that is freed, or might be."""

import gc

import pytest

from pipeline.memory import importing


def test_garbage_is_looked_for_again_after_an_import_however_it_ends():
    with importing():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ImportError), importing():
        raise ImportError
    assert gc.isenabled()


def test_what_was_imported_is_passed_by_from_then_on():
    gc.unfreeze()
    with importing():
        kept = [[] for _ in range(100)]
    assert gc.get_freeze_count() >= len(kept)
    gc.unfreeze()
