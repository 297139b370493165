"""Generators of documents and pictures from the code."""
