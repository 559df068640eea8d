"""`python -m pipeline act`: a film of a stand-in becomes one of the subject."""
