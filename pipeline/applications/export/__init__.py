"""A trained model as a folder for other programs: weights, ONNX, what to know about them, and a card.

`description` and `sessions` are for machines without torch: they need numpy and onnxruntime only.
"""
