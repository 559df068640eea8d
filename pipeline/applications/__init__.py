"""What a trained model and its judges are for: composition that stages and commands share."""
