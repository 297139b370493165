"""`python -m pipelines`: see pipelines/cli/main.py."""

import gc
import os
import sys

from pipelines.cli.output.stopping import stop_without_traceback

if __name__ == "__main__":
    stop_without_traceback()
    # imports and Arrow make objects by the hundred thousand and hardly a cycle: looking for
    # cycles at the default pace is a tenth of a short command's CPU
    gc.set_threshold(100_000, 20, 20)
    # NumPy starts a thread per core for matrices, of which there are none here
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Arrow's own allocator gives freed pages back and takes them again at once: a tenth of the
    # processor time of normalising
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    from pipelines.cli.main import main

    sys.exit(main())
