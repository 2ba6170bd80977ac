"""Train with two workers, as two machines would: train_two_workers.py RECIPE --out DIR ..."""

import json
import os
import socket
import subprocess
import sys
import time


def free_address() -> str:
    """Return an address of this machine that nobody uses."""
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return f"localhost:{listener.getsockname()[1]}"


workers = [free_address(), free_address()]  # on two machines: their own names and ports
command = [sys.executable, "-m", "edgecv.apps.cli", "train", *sys.argv[1:]]
processes = []
for index in range(len(workers)):
    task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
    processes.append(subprocess.Popen(command, env={**os.environ, "TF_CONFIG": json.dumps(task)}))
while None in (codes := [process.poll() for process in processes]) and not any(codes):
    time.sleep(0.1)
for process in processes:  # where one failed, the other would wait for it for ever
    process.terminate()
sys.exit(any(codes))
