"""What the aws source is made of: its bucket, the exports in it, and how a file is landed."""
