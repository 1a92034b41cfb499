"""One thread per test process: two processes with two threads each would wait for each other on two cores."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
