"""The environment: read once, checked, never a result."""

import pytest

from pipeline.errors import UserError
from pipeline.settings import Settings


def test_nothing_set_is_one_machine_with_all_it_has():
    settings = Settings.read()
    assert (settings.devices, settings.nodes) == (None, 1)
    assert settings.workers >= 1


def test_values_are_read(monkeypatch):
    monkeypatch.setenv("FACET_DEVICES", "2")
    monkeypatch.setenv("FACET_WORK", "/somewhere")
    assert Settings.read().devices == 2
    assert str(Settings.read().work) == "/somewhere"


@pytest.mark.parametrize(("name", "value"), [("DEVICES", "many"), ("DEVICES", "0"), ("WORKERS", "-1")])
def test_a_wrong_value_is_one_sentence(monkeypatch, name, value):
    monkeypatch.setenv(f"FACET_{name}", value)
    with pytest.raises(UserError, match=f"FACET_{name}: .*{value}"):
        Settings.read()
