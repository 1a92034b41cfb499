"""Networks at a place in Python: of a module or a file, built without fetching anything."""

import socket
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import torch
from torch import nn

from striate.base.errors import MachineError, UsageError
from striate.models.catalog import find
from striate.survey.named import network
from striate.survey.offline import Fetched, offline

NET = """
from torch import nn
import {neighbour}

def net(width: int = {neighbour}.WIDTH):
    import {late}
    return nn.Linear(4, width + {late}.MORE)

class Outer:
    @staticmethod
    def inner():
        return nn.Linear(4, 1)

made = nn.Linear(4, 2)
number = 3
"""


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A file with neighbours in a folder, and one in a package; the current folder is above them."""
    monkeypatch.chdir(tmp_path)
    flat, inner = tmp_path / "some" / "flat", tmp_path / "packed" / "inner"
    for folder in (flat, inner):
        folder.mkdir(parents=True)
    (flat / "my_net.py").write_text(NET.format(neighbour="wide", late="later_on"))
    (flat / "wide.py").write_text("WIDTH = 8")
    (flat / "later_on.py").write_text("MORE = 1")
    for folder in (inner, inner.parent):
        (folder / "__init__.py").touch()
    (inner / "net.py").write_text("from torch import nn\nfrom . import wide\nfrom ..top import MORE\n"
                                  "def net():\n    return nn.Linear(4, wide.WIDTH + MORE)\n")  # fmt: skip
    (inner / "wide.py").write_text("WIDTH = 8")
    (inner.parent / "top.py").write_text("MORE = 2")
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_a_file_is_a_place_with_its_neighbours(files, monkeypatch):
    monkeypatch.setenv("HOME", str(files))
    before = list(sys.path)
    for place in (
        "some/flat/my_net.py",
        "./some/flat/../flat/my_net.py",
        files / "some/flat/my_net.py",
        "~/some/flat/my_net.py",
    ):
        assert network(f"{place}:net").out_features == 9
        assert network(f"{place}:net", width="3").out_features == 4
        assert network(f"{place}:Outer.inner").out_features == 1
        assert network(f"{place}:made").out_features == 2
    monkeypatch.chdir(files / "some" / "flat")
    assert network("my_net.py:net").out_features == 9
    assert network("my_net:net").out_features == 9
    assert sys.path == before
    assert not list(files.rglob("__pycache__"))


def test_two_files_have_each_their_own_neighbours(files):
    (files / "wide.py").write_text("WIDTH = 20")
    (files / "later_on.py").write_text("MORE = 5")
    (files / "my_net.py").write_text(NET.format(neighbour="wide", late="later_on"))
    widths = [network(f"{folder}my_net.py:net").out_features for folder in ("", "some/flat/", "")]
    assert widths == [25, 9, 25]


def test_a_file_of_a_package_finds_the_package(files):
    assert network("packed/inner/net.py:net").out_features == 10
    assert network("packed.inner.net:net").out_features == 10


def test_a_file_that_is_called_like_a_module_is_another_one(files):
    (files / "json.py").write_text("from torch import nn\ndef net():\n    return nn.Linear(1, 5)\n")
    known = sys.modules["json"]
    assert network("json.py:net").out_features == 5
    assert sys.modules["json"] is known


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("some/flat/my_nets.py:net", r"there is no such file\. Try: some/flat/my_net\.py:net"),
        ("no/such/net.py:net", r"there is no such file"),
        ("some/flat/my_net.py:nett", r"there is no 'nett' in it\. Try: some/flat/my_net\.py:net"),
        ("some/flat/my_net.py:", r"it names no function"),
        (":net", r"it names no function"),
        ("some/flat/my_net.py", r"it is a file, and names no function in it\. Try: some/flat/my_net\.py:FUNCTION"),
        ("some/flat/my_net.py:number", r"number is a int and no function"),
        ("nowhere.at.all:net", r"cannot be built, for there is no module 'nowhere'"),
        ("torch.nowhere:net", r"there is no module 'torch\.nowhere'"),
        (".torch:net", r"'\.torch' is no name of a module"),
        ("builtins:dict", r"it gives a dict, not a torch\.nn\.Module"),
    ],
)
def test_what_is_no_place_is_one_sentence(files, place, sentence):
    with pytest.raises(UsageError, match=sentence):
        network(place)


BROKEN = {
    "raises": ("raise KeyError('mine')", UsageError, r"cannot be built \(KeyError: 'mine', in .*broken\.py line 5\)"),
    "needs": ("import no_package", MachineError, r"needs the package no_package.*pip install no_package"),
    "needs_cv2": ("import cv2.nothing", MachineError, r"needs the package cv2.*pip install opencv-python"),
    "lacks": ("from json import nothing", UsageError, r"cannot be imported \(ImportError.*another version of json"),
    "leaves": ("raise SystemExit(3)", UsageError, r"leaves Python \(SystemExit: 3, in .*line 5\).*__main__"),
    "endless": ("return net()", UsageError, r"nested too deeply"),
    "fetches": ("torch.hub.load_state_dict_from_url('https://a.b/c.pth')", UsageError, r"would fetch https://a\.b/c\.pth"),
    "asks": ("urllib.request.urlopen('http://127.0.0.1:9/')", UsageError, r"would fetch http://127\.0\.0\.1:9/"),
    "connects": (
        "\n    try:\n        socket.create_connection(('a.invalid', 80))\n    except Exception:\n        pass",
        UsageError, r"would fetch a\.invalid",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("storage", [False, True])
def test_what_the_users_code_raises_is_a_sentence_that_says_where(files, monkeypatch, name, storage):
    body, kind, sentence = BROKEN[name]
    (files / "broken.py").write_text(f"import socket, urllib.request\nimport torch\n\ndef net():\n    {body}\n")
    with pytest.raises(kind, match=sentence) as told:
        network("broken.py:net", storage=storage)
    assert "model broken.py:net" in told.value.where


def test_an_interruption_is_not_taken_for_an_error(files):
    (files / "stopped.py").write_text("def net():\n    raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        network("stopped.py:net")


def test_a_second_try_with_memory_tells_its_own_error(files):
    (files / "twice.py").write_text(
        "import torch\ndef net():\n    rate = torch.ones(()).item()\n    raise ValueError(f'of {rate}')\n"
    )
    with pytest.raises(UsageError, match=r"ValueError: of 1\.0"):
        network("twice.py:net")


def test_torch_and_connections_are_as_before():
    class Hello(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_):
            """Says nothing."""

    before = (torch.hub.load_state_dict_from_url, urllib.request.urlopen, socket.getaddrinfo, socket.socket.connect)
    with HTTPServer(("127.0.0.1", 0), Hello) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        with offline(), pytest.raises(Fetched, match=url):
            urllib.request.urlopen(url)
        with offline(), pytest.raises(Fetched, match=r"127\.0\.0\.1"):
            socket.create_connection(("127.0.0.1", server.server_port))
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == b"hello"
        server.shutdown()
    now = (torch.hub.load_state_dict_from_url, urllib.request.urlopen, socket.getaddrinfo, socket.socket.connect)
    assert now == before
    assert "connect" not in vars(socket.socket)


@pytest.mark.parametrize("name", ["my_net.py:Net", "package.module:net"])
def test_a_place_is_no_name_of_the_catalogue(name):
    with pytest.raises(UsageError, match="is counted and measured, and never trained or kept in a run"):
        find(name)


def test_detectors_of_torchvision_are_built_without_fetching_a_backbone():
    net = network("torchvision.models.detection:ssdlite320_mobilenet_v3_large", storage=False, num_classes="3")
    assert isinstance(net, nn.Module)
    assert all(each.is_meta for each in net.parameters())
