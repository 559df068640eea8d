"""The networks of the method. Plain modules: sizes in, tensors through, nothing else.

Images are float [B, 3, S, S] in [-1, 1]. No layer uses a statistic of the batch, so what comes out for an image does
not depend on what else is in the batch, nor on how many processes share it.
"""

from pipeline.networks.conditional import ClassEncoder, ClassGenerator
from pipeline.networks.discriminator import Discriminator
from pipeline.networks.encoders import AttributeEncoder, CodeClassifier, Recogniser
from pipeline.networks.generator import Generator
from pipeline.networks.judge import Closeup, JudgeNetwork, Opinion

__all__ = [
    "AttributeEncoder",
    "ClassEncoder",
    "ClassGenerator",
    "Closeup",
    "CodeClassifier",
    "Discriminator",
    "Generator",
    "JudgeNetwork",
    "Opinion",
    "Recogniser",
]
