"""Who learns from what: a file a method, as terms -> objectives -> update."""
