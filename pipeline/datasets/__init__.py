"""Where face images come from, how they are aligned and stored, and how they are paired."""
