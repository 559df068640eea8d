"""Facet: the identity of one photograph with the pose, expression, light and background of another.

Run all stages with `dvc repro`, one with `python -m pipeline STAGE`; `python -m pipeline --help` lists the rest.
"""
