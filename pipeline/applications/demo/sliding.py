"""Sliders: the subject as the sample shows another, with single attributes of z or traits of f_I changed."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.applications.demo.gallery import Drawn, true_answer
from pipeline.applications.demo.showing import LIKENESS, Showing, Shown, cosine
from pipeline.applications.directions import Directions
from pipeline.applications.editing import FAINT, KNOWN, known_directions
from pipeline.datasets.heads import Dimension
from pipeline.errors import UserError


class Slider(NamedTuple):
    """One thing that people may change, to either side of what is there."""

    kind: str  # "attribute" or "trait"
    name: str  # as `edit` has it
    label: str
    reach: float  # in the number's own unit


OFFERED = (
    Slider("attribute", "yaw", "Turn (°)", 45),
    Slider("attribute", "pitch", "Look up (°)", 20),
    Slider("attribute", "light_azimuth", "Side light (°)", 90),
    Slider("attribute", "light_warmth", "Warm light", 1),
    Slider("attribute", "mouth_open", "Open mouth", 1),
    Slider("attribute", "smile", "Smile", 1),
    Slider("attribute", "glasses", "Glasses", 1),
    Slider("trait", "hair_length", "Long hair", 1),
    Slider("trait", "hair_lightness", "Fair hair", 1),
    Slider("trait", "beard", "Beard", 1),
)


class Sliding:
    """What the sliders do; fits the directions of `edit` where they are not at hand, which takes its time.

    Attributes:
        sliders: those of OFFERED of which the model's codes tell something; none without directions.
        sentence: what to know of them, or how to get them.
    """

    def __init__(self, showing: Showing) -> None:
        self._showing = showing
        self.sliders: tuple[Slider, ...] = ()
        self._directions: dict[str, Directions] = {}
        try:
            self._directions = known_directions(showing.model)
        except UserError as error:
            self.sentence = f"There are no sliders: {error}. Then start the demo again."
            return
        told = [(slider, self._told(slider)) for slider in OFFERED]
        self.sliders = tuple(slider for slider, share in told if share >= FAINT)
        said = ", ".join(f"{_noun(slider)} {share:.2f}" for slider, share in told if share >= FAINT)
        faint = ", ".join(_noun(slider) for slider, share in told if share < FAINT)
        self.sentence = " ".join(
            ["Straight lines in z and f_I, found with rendered heads. What the codes tell of each, 1 being all:"]
            + [f"{said or 'nothing'}."]
            + ([f"Without a slider, since they tell next to nothing: {faint}."] if faint else [])
        )

    def changed(self, subject: Path | None, sample: Path | None, amounts: Mapping[str, float]) -> Shown:
        """The recombination with each named thing changed by so much, but not beyond what there is of it.

        Raises:
            UserError: a picture is missing, cannot be read, or shows no face.
        """
        model = self._showing.model
        x_s, x_a = self._showing.input(subject, "subject"), self._showing.input(sample, "sample")
        f_I, z = self._showing.f_I(x_s), self._showing.z(x_a)
        codes = {"trait": f_I, "attribute": z}
        for slider in self.sliders:
            codes[slider.kind] = self._moved(codes[slider.kind], slider, amounts.get(slider.name, 0.0))
        image = model.synthesize(codes["trait"], codes["attribute"])[0]
        seen = {"all sliders in the middle": model.synthesize(f_I, z)[0]}
        if x_s.drawn and x_a.drawn:
            true = self._truth(Drawn(x_s.drawn.identity, x_a.drawn.attributes), amounts)
            seen["the true answer, rendered"] = true_answer(true, true, model.image_size)
        return Shown(image, seen, {"the subject": cosine(model.identity(image[None])[0], f_I[0])}, LIKENESS)

    def _told(self, slider: Slider) -> float:
        return float(self._directions[slider.kind].clarity[_place(slider)])

    def _moved(self, code: np.ndarray, slider: Slider, amount: float) -> np.ndarray:
        if not amount:
            return code
        lines, known = self._directions[slider.kind], KNOWN[slider.kind]
        now = lines.read(code, known, slider.name)
        then = _kept(known[_place(slider)], now, _limited(slider, amount))
        return lines.moved(code, known, slider.name, now, then)

    def _truth(self, head: Drawn, amounts: Mapping[str, float]) -> Drawn:
        vectors = {"trait": head.identity.copy(), "attribute": head.attributes.copy()}
        for slider in self.sliders:
            place, vector = _place(slider), vectors[slider.kind]
            amount = _limited(slider, amounts.get(slider.name, 0.0))
            vector[place] = _kept(KNOWN[slider.kind][place], vector[place : place + 1], amount)[0]
        return Drawn(vectors["trait"], vectors["attribute"])


def _limited(slider: Slider, amount: float) -> float:
    return float(np.clip(amount, -slider.reach, slider.reach))


def _kept(dimension: Dimension, now: np.ndarray, amount: float) -> np.ndarray:
    """Numbers [B] moved within their range; one that is read as lying outside goes no further out."""
    return np.clip(now + amount, np.minimum(dimension.low, now), np.maximum(dimension.high, now))


def _place(slider: Slider) -> int:
    return [dimension.name for dimension in KNOWN[slider.kind]].index(slider.name)


def _noun(slider: Slider) -> str:
    return slider.label.removesuffix(" (°)").lower()
