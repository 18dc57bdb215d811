"""A program for programs.d: it tells what it sees, and writes a last value when it is stopped.

program_of_the_family.py PORT KEY [how to behave]
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
import time


def call(method: str, **arguments: object) -> object:
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
    body = json.dumps(arguments)
    connection.request("POST", f"/{method}", body, {"content-type": "application/json"})
    response = connection.getresponse()
    assert response.status == 200, response.status
    return json.loads(response.read())


def stop(*_signal: object) -> None:
    time.sleep(0.5)  # a server that has things to finish
    key = sys.argv[2]
    call("set_execution_kv_data", user_id="u", node_exec_id="n", key=key, data="its last write")
    print("wrote its last", flush=True)
    sys.exit(0)


signal.signal(signal.SIGTERM, stop)
print("\x1b[32mstarted\x1b[0m with", call("health_check"), flush=True)
print("<4>on stderr", file=sys.stderr, flush=True)
print("environment", json.dumps(sorted(os.environ)), flush=True)
if "umask" in sys.argv:
    print(f"umask {os.umask(0):03o}", flush=True)
if "writes" in sys.argv:
    sys.stdout.buffer.write(("é€🙂" * 40 + "\n").encode() + b"\xff\xc3 \x1b[2J\xc2\x9b1A end\n")
    sys.stdout.buffer.flush()
if "crash" in sys.argv:
    sys.exit(3)
while True:
    signal.pause()
