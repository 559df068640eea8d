"""All of the real photographs: found or listed, recognised as published, and cut in use as they were for training."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score
