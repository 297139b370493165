"""A section of the result each: what is run, and its figures."""
