"""Who belongs to which split: a person's place follows from the name alone."""

import hashlib
import unicodedata
from collections.abc import Mapping

SPLITS = ("train", "judge", "val", "test")
UNLABELLED = "unlabelled"  # faces of nobody in particular; no number is measured on them

# Where two photographs of different splits are copies, the one further right goes.
PROTECTED = ("test", "val", "judge", "train", UNLABELLED)


def split_of(name: str, shares: Mapping[str, float]) -> str:
    """The split of a person, from the name alone: whoever else comes or goes, nobody moves.

    Args:
        name: of the person, without the source's prefix: the same person in two sources stays on one side.
        shares: of the people in each of SPLITS; they add up to 1.
    """
    # One name has two spellings in Unicode, and file systems differ in which they give back.
    normal = unicodedata.normalize("NFC", name).encode("utf-8", "surrogateescape")
    place = int.from_bytes(hashlib.sha256(normal).digest()[:8], "big") / 2**64
    filled = [split for split in SPLITS if shares[split] > 0]
    reached = 0.0
    for split in filled[:-1]:
        reached += shares[split]
        if place < reached:
            return split
    return filled[-1]
