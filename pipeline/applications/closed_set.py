"""What CVAE-GAN makes, and how it is scored: faces of the people that it was trained on, by noise.

Subject and sample mean nothing to it, so of the evaluation protocol only what is defined is measured: whether a
generated face is taken for its person among all training people (the paper's Table 1, with an independent judge
in place of its classifier), and how real the faces are.
"""

from collections.abc import Mapping

import numpy as np
import torch

from pipeline.applications.class_model import ClassModel
from pipeline.applications.judging import Court
from pipeline.applications.retrieval import judged_gallery, labelled
from pipeline.datasets.contact_sheet import tiled
from pipeline.datasets.protocol import Protocol
from pipeline.datasets.shards import Faces
from pipeline.metrics.identity import found_first
from pipeline.metrics.realism import FrechetDistance
