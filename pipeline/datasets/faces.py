"""The words in which sources, photographs and shards speak of faces: candidate, face, reject."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Self

import numpy as np

from pipeline.params import Data


class Photograph(NamedTuple):
    """A candidate: where the bytes of a photograph are, and what its source says of it.

    It holds no pixels: a shard's task carries hundreds of them to a worker.
    """

    name: str  # valid Unicode, unique in the data set, its source first: "photos/ada/1.jpg"
    identity: str | None  # unique name of the person, the source first: "photos/ada"; None: unlabelled
    split: str  # one of splits.SPLITS, or splits.UNLABELLED
    file: str  # the file that holds it, as the operating system names it (surrogates for bytes that are no UTF-8)
    offset: int = 0  # where it begins in that file
    size: int | None = None  # bytes; None: to the end
    sha256: str | None = None  # of the bytes, hexadecimal, where the source knows what they should be
    box: tuple[float, ...] | None = None  # left, top, width, height; pixels of the upright photograph
    landmarks: tuple[float, ...] | None = None  # x, y five times, pixels likewise: nothing has to be detected
    attributes: Mapping[str, float] | None = None  # whatever else the source knows, by name


class Head(NamedTuple):
    """A candidate: a picture of a rendered head, as the numbers that it follows from."""

    name: str
    identity: str | None  # None: unlabelled
    split: str
    seed: int
    number: int  # of the person in the split
    picture: int  # of the person


Candidate = Photograph | Head


class Reject(NamedTuple):
    """A photograph that is not used."""

    source: str  # the candidate's name
    reason: str  # one of a few words, counted: "no_face", "damaged", …
    detail: str  # a sentence for a person


Listing = Iterator[Candidate | Reject]  # what a source has, in an order that does not depend on the file system


class Quality(NamedTuple):
    """Numbers of a face by which photographs are chosen; NaN where one cannot be told."""

    eye_distance: float  # pixels of the photograph
    sharpness: float  # variance of the Laplacian of the crop's luma (0 to 255) in the face region
    exposure: float  # mean luma of the face region, 0 to 1
    contrast: float  # standard deviation of luma in the face region, 0 to 0.5
    yaw: float  # degrees, from the five points; positive: the nose points to the image's right
    pitch: float  # degrees; positive: up
    roll: float  # degrees; positive: clockwise in the image
    skin_ita: float  # individual typology angle of the face region, degrees: 55 and more very light, below -30 dark


class Face(NamedTuple):
    """An aligned crop and what was measured on the way to it."""

    image: np.ndarray  # uint8 [S, S, 3], RGB
    landmarks: np.ndarray  # float32 [5, 2], pixels (x, y) of the crop: eyes, nose tip, mouth corners, left first
    quality: Quality | None = None  # not asked for where one photograph is used
    points: np.ndarray | None = None  # float32 [5, 2], the landmarks in pixels of the photograph
    box: np.ndarray | None = None  # float32 [4]: left, top, width, height; pixels of the photograph
    faces: int | None = None  # found in the photograph
    score: float | None = None  # the detector's confidence
    content: bytes | None = None  # sha256 of the photograph's bytes
    hash: bytes | None = None  # perceptual hash, 32 bytes; two that differ in few bits show the same photograph
    embedding: np.ndarray | None = None  # float32 [d], of a recogniser, not normalised
    identity_vector: np.ndarray | None = None  # rendered heads: float32 [len(heads.IDENTITY)]
    attribute_vector: np.ndarray | None = None  # rendered heads: float32 [len(heads.ATTRIBUTES)]


class Cut(NamedTuple):
    """What decides how a face is cut out of a photograph; a model remembers it, for later photographs."""

    image_size: int  # side of the crop, in pixels
    margin: float  # of the frame
    choose: str  # of several faces: "largest" or "central"

    @classmethod
    def of(cls, data: Data) -> Self:
        """As params say."""
        return cls(data.image_size, data.margin, data.detection.choose)
