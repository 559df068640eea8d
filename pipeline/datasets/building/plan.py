"""Candidates into tasks: a shard's worth of one split at a time, in an order that nothing but the sources decides."""

import unicodedata
from collections.abc import Callable, Iterator

from pipeline.datasets.building.parts import Task
from pipeline.datasets.faces import Candidate, Listing, Reject
from pipeline.datasets.splits import PROTECTED
from pipeline.errors import UserError


def tasks(listing: Listing, shard_images: int, reject: Callable[[Reject], None]) -> Iterator[Task]:
    """Group candidates by split as they come; memory holds one shard's worth of each.

    Args:
        listing: from the sources.
        shard_images: candidates of a task.
        reject: is handed what the sources turned down.

    Raises:
        UserError: two people's names differ in case alone, or a person is in two splits.
    """
    waiting: dict[str, list[Candidate]] = {split: [] for split in PROTECTED}
    made = dict.fromkeys(waiting, 0)
    people: dict[str, tuple[str, str]] = {}

    def task(split: str) -> Task:
        candidates, waiting[split] = waiting[split], []
        made[split] += 1
        number = made[split] - 1
        return Task(split, number, number * shard_images, candidates)

    for item in listing:
        if isinstance(item, Reject):
            reject(item)
            continue
        _check_person(item, people)
        waiting[item.split].append(item)
        if len(waiting[item.split]) == shard_images:
            yield task(item.split)
    for split in PROTECTED:
        if waiting[split]:
            yield task(split)


def _check_person(candidate: Candidate, people: dict[str, tuple[str, str]]) -> None:
    """Refuse what would be taken for one person by some file systems, and for two by others."""
    if candidate.identity is None:
        return
    key = unicodedata.normalize("NFC", candidate.identity).casefold()
    name, split = people.setdefault(key, (candidate.identity, candidate.split))
    if name != candidate.identity:
        raise UserError(
            f"{name!r} and {candidate.identity!r} differ in case or spelling of one letter only: "
            "rename one if they are two people, or put their photographs together if they are one"
        )
    if split != candidate.split:
        raise UserError(
            f"{name!r} is in two splits, {split} and {candidate.split} (at {candidate.name!r}): "
            "a person belongs to one; correct the manifest's column"
        )
