"""What every source and every destination has in common."""
