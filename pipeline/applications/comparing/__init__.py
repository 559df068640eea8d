"""Experiments side by side, wherever they are kept: git, DVC's experiments, W&B's runs."""
