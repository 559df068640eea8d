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


def contact_sheet(faces: Faces, split: str | None = None, rows: int = 12, columns: int = 12) -> np.ndarray:
    """People side by side, as many as fit, spread evenly over the index or a split of it; unlabelled faces last."""
    person = faces.coded("identity")[0]
    among = np.arange(len(faces)) if split is None else faces.of_split(split)
    codes, counts = np.unique(person[among], return_counts=True)
    known = codes >= 0
    # The usual number of a person's images decides how many people share a row.
    each = int(np.clip(np.median(counts[known]) if known.any() else columns, 1, columns))
    codes = np.concatenate([codes[known], codes[~known]])
    places = rows * (columns // each)
    chosen = codes[np.unique(np.linspace(0, len(codes) - 1, places).astype(int))]
    shown = [_shown(faces, among[person[among] == code], each if code >= 0 else columns) for code in chosen]
    blank = np.full_like(shown[0][0], 255)
    sheet: list[list[np.ndarray]] = [[]]
    for images in shown:
        if len(sheet[-1]) + len(images) > columns:
            sheet.append([])
        sheet[-1] += images + [blank] * (each - len(images))
    width = max(len(row) for row in sheet)
    return tiled([row + [blank] * (width - len(row)) for row in sheet])


def _shown(faces: Faces, rows: np.ndarray, count: int) -> list[np.ndarray]:
    """So many of the rows, spread evenly."""
    return list(faces.images(rows[np.unique(np.linspace(0, len(rows) - 1, count).astype(int))]))


def captioned(rows: dict[str, list[np.ndarray]], columns: int = 8) -> np.ndarray:
    """A line of text, then up to `columns` uint8 [S, S, 3] images, for each entry; "none" where there are none."""
    if not rows:
        return _line("none", 400)
    size = next(iter(rows.values()))[0].shape[0]
    width = columns * (size + 2) - 2
    blank = np.full((size, size, 3), 255, np.uint8)
    parts = []
    for caption, images in rows.items():
        parts += [_line(caption, width), tiled([images[:columns] + [blank] * (columns - len(images[:columns]))])]
    return np.concatenate(parts)


def _line(text: str, width: int, height: int = 22) -> np.ndarray:
    line = np.full((height, width, 3), 255, np.uint8)
    cv2.putText(line, text, (4, height - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return line


def write_png(path: Path, image: np.ndarray) -> None:
    """Write uint8 [H, W, 3] RGB."""
    path.write_bytes(cv2.imencode(".png", image[..., ::-1])[1].tobytes())
