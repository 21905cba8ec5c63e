"""Studies with recruited people: their rules, without pages."""
