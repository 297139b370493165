"""The steps of a nightly run: see pipelines/cli/nightly.py."""

from pipelines.cli.nightly import command

if __name__ == "__main__":
    command()
