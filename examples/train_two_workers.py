"""Train one network with two worker processes of this machine: as two machines would, by TF_CONFIG.

python train_two_workers.py RECIPE --out DIR --set data.train=... --set data.val=...
"""

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
while all(process.poll() is None for process in processes):
    time.sleep(0.1)
if any(process.poll() for process in processes):  # the other one would wait for it for ever
    for process in processes:
        process.terminate()
codes = [process.wait() for process in processes]
sys.exit(any(codes))
