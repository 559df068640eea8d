"""What happens to a photograph: decode, detect, align, judge its quality; the same for training and for use."""
