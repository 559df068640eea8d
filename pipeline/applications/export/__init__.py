"""A trained model as a folder for other programs: weights, ONNX, what to know about them, and a card.

`description` and `sessions` are for machines without torch: they need numpy and onnxruntime only.
"""

import os

# Since 1.29 onnxruntime gives the machine a number and reports its use, unless this is set before it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
