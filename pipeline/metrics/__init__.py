"""What a synthesized face is scored by: pure functions of tensors, and torchmetrics where batches add up."""
