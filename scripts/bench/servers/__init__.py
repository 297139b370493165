"""Servers that a measurement talks to, each a process of its own."""
