"""Which attributes can the judge read at all? What it says of others says nothing of a synthesized face either."""

READABLE = 0.3  # of the error of a random other face


def readable(own: float | None, unrelated: float) -> bool:
    """Whether the judge can tell an attribute on real images well enough to say something of others.

    Args:
        own: its error there; None where nobody knows the truth.
        unrelated: that of a random other face.
    """
    return own is None or own <= READABLE * unrelated
