"""The other ways: programs that are measured for comparison."""
