"""Times the bootstrap of a whole MMLU and the rescoring of recorded answers; prints JSON.

    python benchmarks/metrics.py [FOLDER]

FOLDER holds CLiKA's recorded answers; without it only the metrics are timed. Wall seconds depend on
what else the machine does: the least of three, and the processor's own seconds beside them.
"""

import json
import os
import pathlib
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

from xlbarrier import metrics

ROOT = pathlib.Path(__file__).resolve().parent.parent
ITEMS, DRAWS = 14_042, 10_000  # MMLU's test set


def timed(work: Callable[[], object]) -> dict[str, float]:
    """Least wall and processor seconds of three runs."""
    runs = []
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        runs.append((time.perf_counter() - wall, time.process_time() - cpu))
    return {'wall_s': round(min(w for w, _ in runs), 2), 'cpu_s': round(min(c for _, c in runs), 2)}


def rescored(folder: str) -> dict[str, object]:
    """Seconds of the whole command, the interpreter's start included, on CLiKA's layout."""
    with tempfile.TemporaryDirectory() as workdir:
        command = [
            *(sys.executable, '-m', 'xlbarrier.main', '--config=configs/clika.py'),
            *('--config.mode=rescore', f'--config.rescore.root={folder}', f'--workdir={workdir}'),
        ]
        before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        wall, after = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_CHILDREN)
        rows = json.loads((pathlib.Path(workdir) / 'results.json').read_text())['rows']
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    sheets = {(r['model'], r['task'], r['language']) for r in rows if r['metric'] == 'accuracy'}
    return {
        'wall_s': round(wall, 2),
        'cpu_s': round(cpu, 2),
        'files': len([s for s in sheets if not s[2].startswith('mean:')]),
        'numbers': len(rows),
    }


def main() -> None:
    """Prints one JSON object."""
    rng = np.random.Generator(np.random.PCG64(0))
    right = rng.random((2, ITEMS)) < 0.4
    scores = rng.random((2, ITEMS))
    many = rng.random((12, ITEMS)) < 0.4
    found = {
        'machine': {'cpus': os.cpu_count(), 'load': os.getloadavg()[0], 'numpy': np.__version__},
        'python': platform.python_version(),
        f'{DRAWS} draws over {ITEMS} paired items': {
            'right and wrong, two columns': timed(lambda: metrics.bootstrap_means(right, DRAWS)),
            'right and wrong, twelve columns': timed(lambda: metrics.bootstrap_means(many, DRAWS)),
            'real values, two columns': timed(lambda: metrics.bootstrap_means(scores, DRAWS)),
            'paired difference with its test': timed(
                lambda: metrics.paired_difference(scores[0], scores[1], DRAWS)
            ),
        },
    }
    if len(sys.argv) > 1:
        found['rescore'] = rescored(str(pathlib.Path(sys.argv[1]).resolve()))
    print(json.dumps(found, indent=1))


if __name__ == '__main__':
    main()
