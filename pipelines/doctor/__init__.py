"""`doctor`: configuration and connections examined, with fixes."""
