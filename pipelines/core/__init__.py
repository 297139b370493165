"""What every part may import: sizes, months, digests. Knows no source and no destination."""
