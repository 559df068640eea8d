"""Rendered heads: people and circumstances as two vectors, and the picture that they make."""

from .render import Rendering, render
from .vectors import (
    ATTRIBUTES,
    IDENTITY,
    Dimension,
    neutral_attributes,
    neutral_identity,
    sample_attributes,
    sample_identity,
)

__all__ = [
    "ATTRIBUTES",
    "IDENTITY",
    "Dimension",
    "Rendering",
    "neutral_attributes",
    "neutral_identity",
    "render",
    "sample_attributes",
    "sample_identity",
]
