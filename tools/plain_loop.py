"""What `prepare` is measured against: a loop that decodes, detects, aligns and encodes, and does nothing else.

python -m tools.plain_loop FOLDER YUNET MIN_SCORE IMAGE_SIZE MARGIN PROCESSES
"""

import multiprocessing
import sys
from pathlib import Path

import cv2

from pipeline.datasets.photographs.alignment import align
from pipeline.datasets.photographs.decoding import decode, read
from pipeline.datasets.photographs.detection import yunet
from pipeline.datasets.shards import encode
from pipeline.memory import keep_memory


def loop(files: list[Path], weights: str, min_score: str, image_size: str, margin: str) -> None:
    cv2.setNumThreads(1)
    keep_memory()
    detect = yunet(Path(weights), float(min_score))
    for file in files:
        image = decode(read(file))
        if faces := detect(image):
            encode(align(image, faces[0].landmarks, int(image_size), float(margin))[0])


def main(folder: str, *numbers: str) -> None:
    *others, processes = numbers
    files = sorted(Path(folder).glob("*/*"))
    shares = [files[n :: int(processes)] for n in range(int(processes))]
    context = multiprocessing.get_context("spawn")
    more = [context.Process(target=loop, args=(share, *others)) for share in shares[1:]]
    for process in more:
        process.start()
    loop(shares[0], *others)
    for process in more:
        process.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
