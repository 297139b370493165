"""`make report`: see pipelines/cli/report.py."""

import sys

from pipelines.cli.report import main

if __name__ == "__main__":
    sys.exit(main())
