"""`make demo`: an example company from its bills to its margin."""
