"""What recognisers see of a face: albumentations, and the only module that knows it.

Never used on what the generator must reproduce: augmentations of real images leak into a generator.
"""

import os
import random
from collections.abc import Callable

import cv2
import numpy as np

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # before the import: it would ask a server for its newest version
import albumentations as A

Augmentation = Callable[[np.ndarray, int], np.ndarray]  # uint8 [S, S, 3], seed -> uint8 [S, S, 3]


def identity_augmentation(image_size: int) -> Augmentation:
    """Side, place, light, blur, compression and occlusion: who it is stays true."""
    side = A.HorizontalFlip(p=0.5)
    place = A.Affine(
        scale=(0.93, 1.07), translate_percent=(-0.04, 0.04), rotate=(-6, 6), border_mode=cv2.BORDER_REPLICATE, p=0.7
    )
    colours = A.ColorJitter(
        brightness=(0.75, 1.25), contrast=(0.8, 1.2), saturation=(0.8, 1.2), hue=(-0.02, 0.02), p=0.5
    )
    return _Seeded([side, place, colours, *_degradations(image_size)])


def attribute_augmentation(image_size: int) -> Augmentation:
    """Blur, compression and occlusion only: pose, expression, light and colours stay true as well."""
    return _Seeded(_degradations(image_size))


def _degradations(image_size: int) -> list[A.BasicTransform]:
    hole = (image_size // 10, image_size // 5)
    return [
        A.GaussianBlur(blur_limit=0, sigma_limit=(0.3, 1.2), p=0.4),
        A.ImageCompression(quality_range=(40, 95), p=0.2),
        A.CoarseDropout(
            num_holes_range=(1, 1), hole_height_range=hole, hole_width_range=hole, fill="random_uniform", p=0.2
        ),
    ]


class _Seeded:
    """The same seed gives the same picture: workers, epochs and processes have no streams that could be repeated.

    A class, so that a worker that is spawned can be handed one.
    """

    def __init__(self, transforms: list[A.BasicTransform]) -> None:
        self.compose = A.Compose(transforms)

    def __call__(self, image: np.ndarray, seed: int) -> np.ndarray:
        # Not set_random_seed: it gives every transform the same stream, and they would all be applied or none.
        self.compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
        return self.compose(image=image)["image"]
