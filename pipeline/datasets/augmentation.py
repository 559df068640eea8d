"""What recognisers see of a face: albumentations, and the only module that knows it.

Never used on what the generator must reproduce: augmentations of real images leak into a generator.
"""

import os
from collections.abc import Callable

import numpy as np

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # before the import: it would ask a server for its newest version
import albumentations as A

Augmentation = Callable[[np.ndarray, int], np.ndarray]  # uint8 [S, S, 3], seed -> uint8 [S, S, 3]


def identity_augmentation(image_size: int) -> Augmentation:
    """Light, blur, compression and occlusion: who it is stays true."""
    return _seeded(
        [
            A.ColorJitter(
                brightness=(0.75, 1.25), contrast=(0.8, 1.2), saturation=(0.8, 1.2), hue=(-0.02, 0.02), p=0.5
            ),
            *_degradations(image_size),
        ]
    )


def attribute_augmentation(image_size: int) -> Augmentation:
    """Blur, compression and occlusion only: pose, expression, light and colours stay true as well."""
    return _seeded(_degradations(image_size))


def _degradations(image_size: int) -> list[A.BasicTransform]:
    hole = (image_size // 10, image_size // 5)
    return [
        A.GaussianBlur(blur_limit=0, sigma_limit=(0.3, 1.2), p=0.4),
        A.ImageCompression(quality_range=(40, 95), p=0.2),
        A.CoarseDropout(
            num_holes_range=(1, 1), hole_height_range=hole, hole_width_range=hole, fill="random_uniform", p=0.2
        ),
    ]


def _seeded(transforms: list[A.BasicTransform]) -> Augmentation:
    """The same seed gives the same picture, so no worker and no epoch repeats another's stream."""
    compose = A.Compose(transforms)

    def augment(image: np.ndarray, seed: int) -> np.ndarray:
        compose.set_random_seed(seed)
        return compose(image=image)["image"]

    return augment
