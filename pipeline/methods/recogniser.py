"""What I and C are made of, for pre-training and both methods."""

from pipeline.networks import Recogniser
from pipeline.params import Backbone
from pipeline.params import Recogniser as Pretrain


def recogniser(model: Backbone, image_size: int, num_identities: int) -> Recogniser:
    """Fresh weights for what becomes I and C."""
    return Recogniser(image_size, model.width, model.identity_dim, num_identities, model.normalized_features)


def margin_and_scale(normalized: bool, schedule: Pretrain) -> tuple[float, float]:
    """Of the softmax: of cosines alone does a margin mean something."""
    return (schedule.margin, schedule.scale) if normalized else (0.0, 1.0)
