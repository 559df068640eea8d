"""Who scores a face: networks that took no part in training the generator."""
