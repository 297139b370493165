"""`make bench`: our commands measured beside other ways to do the same."""
