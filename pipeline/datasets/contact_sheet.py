"""Pictures made of faces, for people to look at."""

from pathlib import Path

import cv2
import numpy as np

from pipeline.datasets.shards import Faces


def tiled(rows: list[list[np.ndarray]], gap: int = 2) -> np.ndarray:
    """uint8 [S, S, 3] images in rows of equal length => one uint8 picture on white."""
    size, step = rows[0][0].shape[0], rows[0][0].shape[0] + gap
    sheet = np.full((len(rows) * step - gap, len(rows[0]) * step - gap, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            sheet[i * step : i * step + size, j * step : j * step + size] = image
    return sheet


def contact_sheet(faces: Faces, split: str | None = None, people: int = 12, images: int = 12) -> np.ndarray:
    """A row a person, spread evenly over the index or a split of it; short rows end in white."""
    names = faces.column("identity")
    order = list(dict.fromkeys(names if split is None else names[faces.of_split(split)]))
    chosen = [order[i] for i in np.unique(np.linspace(0, len(order) - 1, people).astype(int))]
    rows = [[faces.image(int(r)) for r in np.flatnonzero(names == name)[:images]] for name in chosen]
    blank = np.full_like(rows[0][0], 255)
    width = max(len(row) for row in rows)
    return tiled([row + [blank] * (width - len(row)) for row in rows])


def write_png(path: Path, image: np.ndarray) -> None:
    """Write uint8 [H, W, 3] RGB."""
    path.write_bytes(cv2.imencode(".png", image[..., ::-1])[1].tobytes())
