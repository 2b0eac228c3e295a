"""The pocket path never touches the network, not even to ask."""

import os
import subprocess
import sys

BLOCKED = """
import socket, sys

def refuse(*args, **kwargs):
    sys.exit("the network was touched")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
"""
SCORED = """
from harness.api import Prompts
from harness.components import build
from harness.lm import load_lm

for name, model in (("pocket-wmdp", "target"), ("pocket-muse", "reference")):
    benchmark, engine = build("benchmark", name), build("engine", "transformers")
    benchmark.corpora(), benchmark.attacker_data(1e-3), benchmark.identity()
    engine.load(load_lm(getattr(benchmark, model)()))
    benchmark.evaluate(engine, Prompts())
"""


def scored_without_network() -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "TRANSFORMERS_"))}
    env["OMP_NUM_THREADS"] = "1"
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + SCORED], env=env, capture_output=True, text=True, check=False
    )


def test_pocket_models_are_loaded_and_scored_with_every_socket_refused() -> None:
    done = scored_without_network()
    assert done.returncode == 0, done.stderr[-500:]


def test_the_refusal_works() -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKED + "socket.create_connection(('127.0.0.1', 9))"], check=False)
    assert done.returncode != 0
