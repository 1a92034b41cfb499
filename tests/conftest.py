"""How a test process runs."""

import gc
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two processes of two threads would wait for each other on two cores
gc.set_threshold(100_000, 50, 100)  # to look for cycles among the objects of torch takes a tenth of all time
