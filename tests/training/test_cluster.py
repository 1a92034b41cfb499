"""A real cluster of Dask on loopback: the same bits as without, and a worker that dies ends no list."""

import os
import shutil
import signal
import subprocess
import threading
from unittest.mock import patch

import pytest
from test_many import OFTEN, found, in_the_middle, recipes, until
from test_many import pictures as pictures

from small import Notes
from striate.base.errors import MachineError
from striate.training.execution import Carried
from striate.training.many import train_many
from striate.training.recipe import recipe_of

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("many"), pytest.mark.filterwarnings("default")]


@pytest.fixture(autouse=True)
def own_environment():
    """Dask starts its workers by what it writes into the environment of this process."""
    with patch.dict(os.environ):
        yield


@pytest.fixture
def cluster():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster


def test_five_folds_on_two_workers_of_which_one_is_killed_have_the_bits_of_this_machine(tmp_path, cluster):
    values = {"data": "digits", "epochs": 2, "keep_sealed": True}
    asked = {f"fold-{fold}": recipe_of(fold=f"{fold}/5", **values) for fold in range(1, 6)}
    here = train_many(asked, tmp_path / "here", Carried(threads=1), Notes())
    killed = []

    def kill():
        until(lambda: any(in_the_middle(tmp_path / "there", name) for name in asked))
        worker = cluster.workers[0]
        killed.append(worker.pid)
        os.kill(worker.pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    notes = Notes()
    on = Carried(on=f"dask:{cluster.scheduler_address}", threads=1, execution=OFTEN)
    there = train_many(asked, tmp_path / "there", on, notes)
    thread.join()
    assert killed
    assert {each.cause for each in there.values()} == {""}
    assert found(there) == found(here)
    assert {each.run.result["subset"] for each in there.values()} == {"held"}


def test_a_scheduler_that_does_not_answer_is_told(tmp_path, pictures):
    with pytest.raises(MachineError, match=r"no scheduler of Dask answers there .*dask scheduler"):
        train_many(recipes(pictures, 1), tmp_path, Carried(on="dask:tcp://127.0.0.1:1"), Notes())


@pytest.fixture
def certificates(tmp_path):
    """An authority, a key and a certificate of it, as Dask's configuration names them."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificates")
    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    for command in (
        f"openssl req -x509 {key} -days 2 -subj /CN=authority -keyout authority.key -out authority.pem",
        f"openssl req {key} -subj /CN=cluster -keyout cluster.key -out cluster.csr",
        "openssl x509 -req -in cluster.csr -CA authority.pem -CAkey authority.key -CAcreateserial -out cluster.pem",
    ):
        subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    own = {"cert": str(tmp_path / "cluster.pem"), "key": str(tmp_path / "cluster.key")}
    told = {"ca-file": str(tmp_path / "authority.pem"), "scheduler": own, "worker": own, "client": own}
    encrypted = {f"distributed.comm.tls.{name}": value for name, value in told.items()}
    return {"distributed.comm.require-encryption": True, **encrypted}


def test_a_cluster_with_certificates_takes_whoever_has_one(tmp_path, pictures, certificates):
    dask, distributed = pytest.importorskip("dask"), pytest.importorskip("distributed")
    how = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with (
        dask.config.set(certificates),
        distributed.LocalCluster(protocol="tls", security=distributed.Security(), **how) as cluster,
    ):
        on = Carried(on=f"dask:{cluster.scheduler_address}", threads=1)
        assert on.on.startswith("dask:tls://127.0.0.1:")
        ended = train_many(recipes(pictures, 1), tmp_path / "list", on, Notes())
        assert ended["seed-0"].run.status == "done", ended
        with (
            dask.config.set({"distributed.comm.tls.client": {"cert": None, "key": None}}),
            pytest.raises(MachineError, match=r"no scheduler of Dask answers there .*certificates, as docs/many.md"),
        ):
            train_many(recipes(pictures, 1), tmp_path / "without", on, Notes())
