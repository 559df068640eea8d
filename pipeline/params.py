"""The typed form of params.yaml: types, bounds, descriptions and what must fit together; no default values."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML, YAMLError

from pipeline.errors import UserError


class ParamsError(UserError):
    """params.yaml does not match the schema; one line a problem, for the person who edits it."""

    exit_code = 2


class Section(BaseModel):
    """Unknown keys are errors, values are not coerced, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


SourceName = Literal["rendered", "photos", "manifest", "recordio"]


def _several(value: Any) -> Any:
    """One name or a list of them, as a tuple."""
    return tuple(value) if isinstance(value, list) else (value,)


class BySplit(Section):
    """A count for each identity-disjoint split."""

    train: int = Field(ge=2, description="the generator and its recogniser learn from these people")
    judge: int = Field(ge=2, description="the judge learns from these people, the generator never sees them")
    val: int = Field(ge=2, description="curves during training")
    test: int = Field(ge=2, description="every number that is reported")


class People(BySplit):
    """People for each split; 0 leaves a split to the other sources, where there are any."""

    train: int = Field(ge=0, description="the generator and its recogniser learn from these people")
    judge: int = Field(ge=0, description="the judge learns from these people, the generator never sees them")
    val: int = Field(ge=0, description="curves during training: subject, sample and someone unrelated")
    test: int = Field(ge=0, description="every number that is reported: likewise")


FEWEST = {"train": 2, "judge": 2, "val": 3, "test": 3}  # rendered people, where there are no others


class Rendered(Section):
    """The embedded data set: parametric heads."""

    people: People
    images_per_person: BySplit
    unlabelled: int = Field(ge=0, description="faces of nobody in particular, each of another person, beside those")


class Shares(Section):
    """Share of the people in each split; a person's place follows from a hash of the name."""

    train: float = Field(gt=0, le=1)
    judge: float = Field(ge=0, lt=1, description="photographs have ready-made judges: 0 wastes nobody")
    val: float = Field(gt=0, lt=1)
    test: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        total = self.train + self.judge + self.val + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the four shares should add up to 1, not {total:g}")
        return self


class Detection(Section):
    """Which face of a photograph is meant, and when there is none."""

    min_score: float = Field(gt=0, lt=1, description="the detector's confidence")
    min_face_pixels: int = Field(ge=8, description="narrower faces are rejected; pixels of the photograph")
    choose: Literal["largest", "central"] = Field(
        description="of several faces: the largest box, or the one whose middle is nearest to the photograph's"
    )


class Quality(Section):
    """Bounds of a photograph's quality; the index holds the numbers, so bounds can be chosen from its histograms."""

    min_sharpness: float = Field(ge=0, description="variance of the Laplacian of the crop's luma; 0: any")
    min_exposure: float = Field(ge=0, le=1, description="mean luma of the face; 0: any")
    max_exposure: float = Field(ge=0, le=1, description="mean luma of the face; 1: any")
    max_yaw: float = Field(gt=0, le=180, description="degrees either way, from the five points; 180: any")
    max_pitch: float = Field(gt=0, le=180, description="degrees either way, from the five points; 180: any")
    max_roll: float = Field(gt=0, le=180, description="degrees either way; 180: any")


class Duplicates(Section):
    """Copies among photographs; rendered heads have none."""

    near_bits: int = Field(
        ge=-1, le=14, description="perceptual hashes (256 bits) that differ in so many show one photograph; -1: off"
    )


class Identities(Section):
    """Which people are used."""

    min_images: int = Field(
        ge=1, description="a person with fewer usable photographs is rejected; unlabelled faces are not"
    )
    min_cosine: float = Field(
        ge=-1,
        lt=1,
        description="to the mean of the person's other photographs, by a recogniser; below it: set aside; -1: off",
    )


class Data(Section):
    source: Annotated[tuple[SourceName, ...], BeforeValidator(_several), Field(min_length=1)] = Field(
        description="rendered, photos, manifest or recordio; or several: [photos, recordio]"
    )
    photos: str = Field(min_length=1, description="a folder with a folder for each person")
    manifest: str = Field(
        min_length=1, description="a CSV or Parquet file of paths and identities, or a folder of them"
    )
    recordio: str = Field(min_length=1, description="a folder with train.rec, train.idx and property")
    unlabelled: str = Field(
        min_length=1, description="a folder of faces of nobody in particular; empty: none are added"
    )
    image_size: Literal[32, 64, 128, 256] = Field(description="side of the square crop, in pixels")
    margin: float = Field(ge=-0.2, le=1, description="photographs: the crop shows so much more than the template")
    seed: int = Field(ge=0, description="rendered: which people and which pictures of them")
    shard_images: int = Field(ge=1, le=100_000, description="candidates of a shard; a task of one worker")
    rendered: Rendered
    shares: Shares
    detection: Detection
    quality: Quality
    duplicates: Duplicates
    identities: Identities


class Backbone(Section):
    """Of `model`, what I and C are built from: `pretrain` depends on this alone, so that variants share it."""

    identity_dim: int = Field(ge=2, le=4096, description="size of f_I")
    width: int = Field(ge=4, le=512, description="channels at full resolution; doubled at each halving, up to 8 times")
    normalized_features: bool = Field(description="f_I and f_C have unit length (paper: false)")


class Model(Backbone):
    method: Literal["ipgan", "cvaegan"] = Field(
        description="ipgan: anyone by a photograph; cvaegan: the people of the train split by their numbers"
    )
    attribute_dim: int = Field(ge=1, le=4096, description="size of z")
    injection: Literal["modulation", "concatenation"] = Field(description="how f_I enters G (paper: concatenation)")
    style_dim: int = Field(ge=2, le=1024, description="modulation: what f_I becomes before it reaches the convolutions")


Precision = Annotated[
    Literal["auto", "32-true", "bf16-mixed"],
    Field(description="arithmetic of the forward passes; auto: bf16 where the machine has it, else float32"),
]


class Recogniser(Section):
    """How an identity classifier is trained."""

    seed: int = Field(ge=0)
    images: int = Field(ge=1, description="images seen")
    batch_size: int = Field(ge=2, description="images in a step, over all processes")
    learning_rate: float = Field(gt=0, description="Adam, falling to 0 along half a cosine")
    matrix_learning_rate: float = Field(ge=0, description="Muon, on weight matrices; 0: Adam moves those too")
    margin: float = Field(ge=0, lt=1, description="subtracted from the true class's cosine (CosFace); 0: plain softmax")
    scale: float = Field(gt=0, description="factor of the cosines before the softmax")
    augment: bool = Field(description="colour, blur, compression and occlusion on the input")
    precision: Precision


class Judge(Recogniser):
    width: int = Field(ge=8, le=512, multiple_of=8, description="channels of its first block; half, close by")
    features_dim: int = Field(ge=2, le=4096, description="size of its identity features")
    attribute_weight: float = Field(ge=0, description="weight of the attribute errors beside the identity loss")


class IPGANLosses(Section):
    """Weight of each term; a term sums over a sample's features and averages over the batch."""

    reconstruction: float = Field(gt=0, description="L_GR (paper: 1)")
    perceptual: float = Field(ge=0, description="L_GP, distance to C's inner layers in a pair of one person (paper: 0)")
    focus: float = Field(ge=0, description="how much more a pixel of the face weighs in L_GR and L_GP (paper: 0)")
    focus_features: float = Field(
        ge=0, description="how much more yet a pixel of x_a's eyes and mouth weighs, in a pair of one person (paper: 0)"
    )
    cross: float = Field(ge=0, le=1, description="lambda: factor of L_GR for a pair of two people (paper: 0.1)")
    kl: float = Field(ge=0, description="L_KL (paper: 1)")
    feature_C: float = Field(ge=0, description="L_GC (paper: 1)")
    feature_C_pairs: Literal["all", "cross"] = Field(
        description="L_GC for every pair (paper: all), or only where nothing else shows the right person"
    )
    feature_C_target: Literal["photograph", "person"] = Field(
        description="L_GC wants f_C of x_s (paper: photograph), or the mean over the person's photographs"
    )
    feature_C_blur: float = Field(
        ge=0, le=8, description="C sees x' through a Gaussian of so many pixels in L_GC (paper: 0)"
    )
    feature_C_slack: float = Field(
        ge=0, description="distance in L_GC that costs nothing: photographs of one person differ too (paper: 0)"
    )
    feature_D: float = Field(ge=0, description="L_GD (paper: 1)")
    adversarial: float = Field(ge=0, description="L_adv for G beside L_GD (paper: 0)")
    confusion: float = Field(ge=0, description="L_AQ: A hides the person from a classifier Q of z (paper: 0)")
    attributes_follow: Literal["reconstruction", "generator"] = Field(
        description="A learns from L_KL and L_GR (paper: reconstruction) or from L_KL and all that G learns from"
    )


class CVAEGANLosses(Section):
    """Weight of each term; a term sums over a sample's features and averages over the batch."""

    kl: float = Field(ge=0, description="L_KL (paper: 3)")
    reconstruction: float = Field(ge=0, description="the pixels' part of L_G (paper: 1)")
    feature_D: float = Field(ge=0, description="D's part of L_G (paper: 1)")
    feature_C: float = Field(ge=0, description="C's part of L_G (paper: 1)")
    feature_C_blur: float = Field(
        ge=0, le=8, description="C sees faces of G through a Gaussian of so many pixels (paper: 0)"
    )
    mean_feature_D: float = Field(ge=0, description="L_GD, mean feature matching (paper: 0.001)")
    mean_feature_C: float = Field(ge=0, description="L_GC, class averages of f_C (paper: 0.001)")
    class_decay: float = Field(
        ge=0, lt=1, description="what a class average keeps in a batch that has the class (the paper does not say)"
    )


class Losses(Section):
    """Those of each method."""

    ipgan: IPGANLosses
    cvaegan: CVAEGANLosses


class Train(Section):
    seed: int = Field(ge=0)
    images: int = Field(ge=1, description="sample images seen")
    batch_size: int = Field(ge=2, description="pairs in a step, over all processes")
    learning_rate: float = Field(gt=0, description="Adam")
    matrix_learning_rate: float = Field(
        ge=0, description="Muon, on weight matrices; 0: Adam moves those too (paper: 0)"
    )
    learning_rate_schedule: Literal["constant", "linear"] = Field(
        description="linear: a short rise, then down to 0 at the end"
    )
    beta1: float = Field(ge=0, lt=1, description="Adam's decay of the mean gradient")
    cross_every: int = Field(ge=2, description="one batch in so many pairs two people (paper: 2, every other)")
    recognisers: Literal["frozen", "joint", "scratch"] = Field(
        description="I and C as pretrain left them, going on to learn (paper: joint), or begun anew (CVAE-GAN)"
    )
    class_vectors: Literal["pretrained", "random"] = Field(
        description="CVAE-GAN: a learned vector a person, at first that of pretrain's classifier, or random"
    )
    unlabelled: float = Field(
        ge=0, lt=1, description="share of x_s and of x_a that are faces of nobody in particular; 0: none"
    )
    flip: bool = Field(description="half of the pairs are mirrored (paper: false)")
    average_images: int = Field(ge=0, description="half-life of the averaged generator, in images; 0: not averaged")
    validate_images: int = Field(
        ge=1, description="between two looks at the val split: points of val/*, pictures; nothing is learned from it"
    )
    precision: Precision
    compiled: bool = Field(description="networks by torch.compile: pays on a GPU, after some hundred thousand images")


class Synthesize(Section):
    samples_per_subject: int = Field(ge=1, description="recombinations of each test person")
    grid_subjects: int = Field(ge=1, le=64, description="rows of the picture")
    grid_samples: int = Field(ge=1, le=64, description="columns of the picture")


class Evaluate(Section):
    gallery: int = Field(ge=1, description="real photographs of each person to be found among")
    recogniser: str = Field(
        min_length=1,
        description="who says whose face it is: judge; or an ONNX file of a recogniser of photographs; or I, the "
        "generator's own, which took part: then the keys say so",
    )
    template: Literal["arcface", "reidentification"] = Field(description="how the ONNX file's faces were aligned")
    inception: Literal["on", "off"] = Field(description="FID too; needs `python -m pipeline fetch inception`")


class Params(Section):
    data: Data
    model: Model
    pretrain: Recogniser
    judge: Judge
    losses: Losses
    train: Train
    synthesize: Synthesize
    evaluate: Evaluate


def narrowed(section: Section, kind: type[Section]) -> Section:
    """The section itself, or of it the fields of `kind`, a base of its class."""
    if type(section) is kind:
        return section
    return kind.model_construct(**{name: getattr(section, name) for name in kind.model_fields})


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check the parameters.

    Raises:
        ParamsError: the file is missing, is no YAML, or does not match the schema; one line a problem.
    """
    try:
        # ruamel, as DVC does: PyYAML reads `1e-4` as a string.
        raw = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path} is not here; run the command in the project's top folder") from None
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read ({error.strerror}); `git checkout {path}` restores it") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    problems = []
    try:
        params = Params.model_validate(raw)
    except ValidationError as error:
        problems = _mistakes(error)
    # On what was read rather than on Params, so that one mistake does not hide another.
    problems += _contradictions(raw if isinstance(raw, dict) else {})
    if problems:
        raise ParamsError("\n".join(f"{path}: {problem}" for problem in problems))
    return params


def _mistakes(error: ValidationError) -> list[str]:
    """One line a mistake: where it is, what should stand there, what stands there."""
    lines = []
    for e in error.errors():
        plain = isinstance(e["input"], str | int | float | bool | None)
        got = f" (got {e['input']!r})" if plain and e["type"] != "missing" else ""
        place = ".".join(part for part in e["loc"] if isinstance(part, str))  # a list's member has its list's name
        lines.append(f"{place}{': ' if place else ''}{e['msg'].removeprefix('Value error, ')}{got}")
    return lines


def _contradictions(raw: dict[str, Any]) -> list[str]:
    """What cannot be true at once, one line each; a value of a wrong type contradicts nothing."""

    def at(path: str) -> Any:
        value: Any = raw
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value

    lines = []
    for section in ("pretrain", "judge", "train"):
        images, batch_size = at(f"{section}.images"), at(f"{section}.batch_size")
        if isinstance(images, int) and isinstance(batch_size, int) and images < batch_size:
            lines.append(f"{section}.images: should be at least {section}.batch_size, {batch_size} (got {images})")
    if at("model.normalized_features") is False and at("pretrain.margin") not in (0, None):
        lines.append("pretrain.margin: should be 0 where model.normalized_features is false (it is one of cosines)")
    learns = at("model.method") == "ipgan" and at("train.recognisers") in ("joint", "scratch")
    if learns and at("losses.ipgan.feature_C_target") == "person":
        lines.append(
            "losses.ipgan.feature_C_target: should be photograph where train.recognisers is not frozen: a mean over "
            "photographs would have to follow C"
        )
    if at("model.method") == "cvaegan":
        for name, nothing in (("unlabelled", 0), ("flip", False)):
            value = at(f"train.{name}")
            if isinstance(value, bool | int | float) and value != nothing:
                lines.append(f"train.{name}: should be {str(nothing).lower()} with model.method cvaegan (got {value})")
    people = at("data.rendered.people.test")
    source = at("data.source")
    sources = source if isinstance(source, list) else [source]
    if len(set(map(str, sources))) < len(sources):
        lines.append(f"data.source: should name each source once (got {sources})")
    if "rendered" in sources and at("data.margin") not in (0, None):
        lines.append(f"data.margin: should be 0 with rendered heads, whose camera is fixed (got {at('data.margin')})")
    for split, fewest in FEWEST.items() if sources == ["rendered"] else ():
        value = at(f"data.rendered.people.{split}")
        if isinstance(value, int) and value < fewest:
            lines.append(
                f"data.rendered.people.{split}: should be at least {fewest} where data.source is rendered alone "
                f"(got {value})"
            )
    if sources == ["rendered"] and isinstance(people, int):
        for name, most in (("samples_per_subject", people - 1), ("grid_samples", people), ("grid_subjects", people)):
            value = at(f"synthesize.{name}")
            if isinstance(value, int) and value > most:
                lines.append(f"synthesize.{name}: should be at most {most}, for {people} test people (got {value})")
    return lines
