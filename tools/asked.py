"""What the tools take on their command lines."""

import argparse
from collections.abc import Callable


def at_least(fewest: int) -> Callable[[str], int]:
    """For argparse: a whole number that is not below this."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < fewest:
            raise argparse.ArgumentTypeError(f"should be a whole number from {fewest} on (got {text})")
        return int(text)

    return number
