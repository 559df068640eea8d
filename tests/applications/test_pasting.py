"""Faces that are pasted back, where it is known what has to come out."""

import math
import tracemalloc

import cv2
import numpy as np
import pytest

from pipeline.applications import pasting
from pipeline.datasets.photographs.alignment import TEMPLATE, align, pixels


def smooth(height, width, seed=0):
    """A photograph without detail that a crop could lose."""
    coarse = np.random.default_rng(seed).integers(40, 216, (6, 6, 3)).astype(np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def points(centre, size, degrees=0.0):
    """Five landmarks of a face whose frame is `size` pixels wide."""
    turn = math.radians(degrees)
    rotation = np.array([(math.cos(turn), -math.sin(turn)), (math.sin(turn), math.cos(turn))])
    return ((TEMPLATE - 0.5) * size @ rotation.T + centre).astype(np.float32)


def psnr(a, b):
    return 10 * math.log10(255**2 / max(np.mean((a.astype(float) - b) ** 2), 1e-12))


PLACES = {
    "upright": ((160, 120), 150, 0, 0.0),
    "with a margin": ((160, 120), 120, 0, 0.3),
    "closer than the template": ((160, 120), 120, 0, -0.2),
    "turned": ((160, 120), 150, 35, 0.0),
    "upside down": ((150, 110), 150, 180, 0.0),
    "partly outside": ((20, 30), 150, -20, 0.0),
    "tiny": ((100, 90), 13, 10, 0.0),
}


@pytest.mark.parametrize(("centre", "size", "degrees", "margin"), PLACES.values(), ids=PLACES)
def test_its_own_crop_pasted_back_changes_a_photograph_hardly(centre, size, degrees, margin):
    photograph = smooth(240, 320)
    marks = points(centre, size, degrees)
    crop, _ = align(photograph, marks, 64, margin)
    out = pasting.paste(photograph, marks, crop, crop, margin)
    changed = (out != photograph).any(axis=2)
    assert not changed.any() or psnr(out[changed], photograph[changed]) > 45
    assert np.abs(out.astype(int) - photograph).max() <= 6


def test_what_is_pasted_lands_where_it_was_cut():
    photograph = smooth(240, 320)
    marks = points((170, 110), 130, 25)
    crop, there = align(photograph, marks, 64, 0.0)
    spot = crop.copy()
    x, y = np.rint(there[2]).astype(int)  # the tip of the nose
    spot[y - 1 : y + 2, x - 1 : x + 2] = 0
    out = pasting.paste(photograph, marks, crop, spot, 0.0).astype(int)
    darker = np.clip(photograph - out, 0, None).sum(axis=2).astype(float)
    darker[darker < darker.max() / 4] = 0
    rows, columns = np.mgrid[0:240, 0:320]
    centre = np.array([(darker * columns).sum(), (darker * rows).sum()]) / darker.sum()
    assert np.abs(centre - marks[2]).max() < 2.1  # half a pixel of the crop is one of the photograph


@pytest.mark.parametrize(("centre", "size", "degrees", "margin"), PLACES.values(), ids=PLACES)
def test_outside_the_mask_every_pixel_is_the_photographs(centre, size, degrees, margin):
    photograph = np.random.default_rng(1).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    marks = points(centre, size, degrees)
    crop, _ = align(photograph, marks, 64, margin)
    made = 255 - crop
    out = pasting.paste(photograph, marks, crop, made, margin)
    distance = np.linalg.norm(np.mgrid[0:240, 0:320][::-1].transpose(1, 2, 0) - centre, axis=2)
    assert np.array_equal(out[distance > size / 2], photograph[distance > size / 2])
    inside = distance < size / 10
    assert np.abs(out[inside].astype(int) - photograph[inside]).mean() > 20


def test_the_mask_is_whole_in_the_face_and_nothing_at_the_edge():
    for margin in (0.0, 0.4, -0.2):
        m = pasting.mask(64, margin)
        assert m.max() == 1
        assert max(m[0].max(), m[-1].max(), m[:, 0].max(), m[:, -1].max()) == 0
        assert np.allclose(m, m[:, ::-1], atol=1e-6)
    x, y = np.rint(pixels(TEMPLATE, 64)).astype(int).T
    assert (pasting.mask(64, 0.0)[y, x] == 1).all()


def test_a_face_in_another_light_meets_the_photograph_at_its_edge():
    seen = smooth(64, 64, seed=3)
    made = np.clip(seen.astype(int) - (30, 10, -20), 0, 255).astype(np.uint8)
    assert np.abs(pasting.matched(made, seen, 0.0) - seen).max() < 1.5


def test_an_edge_that_fits_leaves_the_face_as_it_is():
    seen = smooth(64, 64, seed=4)
    made = seen.copy()
    made[24:40, 24:40] = (200, 30, 30)
    assert np.array_equal(pasting.matched(made, seen, 0.0), made)


def test_a_face_of_a_huge_photograph_takes_the_memory_of_the_face_alone():
    photograph = np.zeros((1000, 40000, 3), np.uint8)  # wider than OpenCV warps
    marks = points((39700, 500), 700, 5)
    crop, _ = align(photograph, marks, 64, 0.0)
    made = crop.copy()
    made[24:40, 24:40] = 255
    tracemalloc.start()
    out = pasting.paste(photograph, marks, crop, made, 0.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < photograph.nbytes + 40e6  # the result, and one tile
    assert not out[:, :39300].any()
    assert out[500, 39700].tolist() == [255, 255, 255]


def test_a_face_beyond_the_photograph_changes_nothing():
    photograph = smooth(100, 100)
    marks = points((400, 400), 50)
    out = pasting.paste(photograph, marks, np.zeros((32, 32, 3), np.uint8), np.full((32, 32, 3), 9, np.uint8), 0.0)
    assert np.array_equal(out, photograph)


def test_crops_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="both be"):
        pasting.paste(smooth(50, 50), points((25, 25), 30), np.zeros((32, 32, 3), np.uint8),
                      np.zeros((64, 64, 3), np.uint8), 0.0)  # fmt: skip
