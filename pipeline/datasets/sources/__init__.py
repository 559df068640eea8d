"""Where faces come from: one module a source, named as `data.source` names it, each with `open_source`."""
