"""What `prepare` is measured against: one process that decodes, detects, aligns and encodes, and does nothing else.

python -m tools.plain_loop FOLDER YUNET MIN_SCORE IMAGE_SIZE MARGIN
"""

import sys
from pathlib import Path

import cv2

from pipeline.datasets.photographs.alignment import align
from pipeline.datasets.photographs.decoding import decode, read
from pipeline.datasets.photographs.detection import yunet
from pipeline.datasets.shards import encode
from pipeline.memory import keep_memory


def main(folder: str, weights: str, min_score: str, image_size: str, margin: str) -> None:
    cv2.setNumThreads(1)
    keep_memory()
    detect = yunet(Path(weights), float(min_score))
    for file in sorted(Path(folder).glob("*/*")):
        image = decode(read(file))
        if faces := detect(image):
            encode(align(image, faces[0].landmarks, int(image_size), float(margin))[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
