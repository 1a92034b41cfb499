"""Trains and writes which samples this process was given at each step; the test starts it, also under torchrun."""

import dataclasses
import json
import os
import sys
from pathlib import Path

from small import Notes, data_of, smaller
from striate.base import processes
from striate.data import samples
from striate.training import plan as planning
from striate.training.loop import fit
from striate.training.recipe import recipe_of
from striate.training.signals import Stop
from together import Watched

folder = Path(sys.argv[1], os.environ.get("WORLD_SIZE", "1"))
folder.mkdir(exist_ok=True)
task = sys.argv[2]
data = sys.argv[3] if sys.argv[3:] else data_of("digits", folder, task)
samples.WINDOW = 8  # so that few pictures in shards make several windows
recipe = recipe_of(data=data, task=task, epochs=2, precision="float32", device="cpu", **smaller(task, good="0"))
execution = planning.Execution(runs=folder)
with processes.group("cpu"):
    plan = planning.plan_of(recipe, execution, Notes())
    job = planning.job_of(plan, folder, execution, Notes())
    seen = []
    trainer = fit(dataclasses.replace(job, train=Watched(job.train, seen)), Notes(), Stop())
threads = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
(folder / f"{os.environ.get('RANK', '0')}.json").write_text(
    json.dumps({"seen": seen, "history": trainer.progress.history, "threads": threads})
)
