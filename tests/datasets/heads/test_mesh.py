import numpy as np
import pytest

from pipeline.datasets.heads import mesh
from pipeline.datasets.heads.parts import clothes, ears, glasses, neck
from pipeline.datasets.heads.sculpt import COLUMNS, NOSE_Y, ROWS, SCULPTED
from pipeline.datasets.heads.vectors import IDENTITY, named, neutral_identity

STILL = dict.fromkeys(SCULPTED, 0.0)


def test_the_head_is_mirror_symmetric():
    points = mesh.head(STILL).points.reshape(ROWS, COLUMNS, 3)
    np.testing.assert_allclose(points[:, ::-1] * [-1, 1, 1], points, atol=1e-5)


def test_normals_are_unit_vectors_that_point_outwards():
    head = mesh.head(STILL)
    np.testing.assert_allclose(np.linalg.norm(head.normals, axis=1), 1, atol=1e-3)
    upper = head.points[:, 1] > 0.3
    outwards = head.points[upper] - [0, 0.2, 0]
    assert ((head.normals[upper] * outwards).sum(1) > 0).mean() > 0.99


def test_the_nose_is_what_stands_out_farthest():
    points = mesh.head(STILL).points
    x, y, _ = points[points[:, 2].argmax()]
    assert abs(x) < 0.03
    assert abs(y - NOSE_Y) < 0.04


@pytest.mark.parametrize("name", SCULPTED)
def test_every_sculpted_number_moves_points_of_the_head(name):
    moved = mesh.head(STILL | {name: 1.0}).points - mesh.head(STILL).points
    assert 0.005 < np.abs(moved).max() < 0.25


def test_triangles_refer_to_points_that_exist():
    p = named(neutral_identity(), IDENTITY)
    for part in (ears(p), neck(p), clothes(), glasses(p, 0.4)):
        assert part.faces.min() == 0
        assert part.faces.max() == len(part.points) - 1
        assert part.points.dtype == part.normals.dtype == part.surface.dtype == np.float32
        assert part.surface.min() >= 0
        assert part.surface.max() <= 1


def test_the_coarse_triangles_cover_the_same_head():
    faces = mesh.coarse_faces()
    assert 3 < len(mesh.grid_faces(ROWS, COLUMNS)) / len(faces) < 5
    assert faces.max() == ROWS * COLUMNS - 1
