"""`python -m pipelines`: see pipelines/cli/main.py."""

import sys

from pipelines.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
