"""From candidates to a data set on disk: shards made side by side, what is a copy of what, one index."""
