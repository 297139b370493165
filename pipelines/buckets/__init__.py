"""Where providers deliver files: S3, Azure Blob, Google Cloud Storage, a folder."""
