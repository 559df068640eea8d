"""The evaluation of synthesized faces by the protocol of the field: what is looked at, by whom, and what it scores."""
