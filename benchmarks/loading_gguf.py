"""Peak resident memory and time of loading a GGUF file, over the bytes that the host keeps.

    python benchmarks/loading_gguf.py [--gigabytes 1] [--folder DIR]

A synthetic Llama of Q8_0 tensors (random codes) is written once, then loaded in fresh processes, on
one device and on eight fake ones, as float32 and as bfloat16. The peak is that of the process
(VmHWM of Linux), less what it held before loading; the limit is 1.3 times the parameters' bytes.
Exit status 1 where it is missed.
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time
from importlib import metadata

import gguf
import numpy as np

LIMIT = 1.3
D_MODEL, D_FF, HEADS, KV_HEADS, VOCAB = 2048, 8192, 32, 8, 32_768
SHAPES = {  # of one layer, [out, in]
    'attn_q': (D_MODEL, D_MODEL),
    'attn_k': (D_MODEL * KV_HEADS // HEADS, D_MODEL),
    'attn_v': (D_MODEL * KV_HEADS // HEADS, D_MODEL),
    'attn_output': (D_MODEL, D_MODEL),
    'ffn_gate': (D_FF, D_MODEL),
    'ffn_up': (D_FF, D_MODEL),
    'ffn_down': (D_MODEL, D_FF),
}
RUNS = (  # mesh (data, fsdp, tensor), dtype
    ((1, 1, 1), 'float32'),
    ((1, 1, 1), 'bfloat16'),
    ((1, 4, 2), 'float32'),
    ((1, 4, 2), 'bfloat16'),
)


def write(path: pathlib.Path, gigabytes: float) -> None:
    """Writes the file; its layers hold the same random codes."""
    kind = gguf.GGMLQuantizationType.Q8_0
    rng = np.random.default_rng(0)

    def codes(shape: tuple[int, int]) -> np.ndarray:
        blocks = rng.integers(0, 256, (shape[0] * shape[1] // 32, 34), np.uint8)
        blocks[:, :2] = np.frombuffer(np.float16(2e-4).tobytes(), np.uint8)
        return blocks.reshape(shape[0], -1)

    layer = {name: codes(shape) for name, shape in SHAPES.items()}
    embedding = codes((VOCAB, D_MODEL))
    norm = np.ones(D_MODEL, np.float32)
    one = sum(array.nbytes for array in layer.values())
    layers = max(1, round((gigabytes * 1e9 - embedding.nbytes) / one))
    writer = gguf.GGUFWriter(path, 'llama')
    writer.add_context_length(4096)
    writer.add_embedding_length(D_MODEL)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(D_FF)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(VOCAB)
    writer.add_tensor('token_embd.weight', embedding, raw_dtype=kind)
    writer.add_tensor('output_norm.weight', norm)
    for i in range(layers):
        for name in ('attn_norm', 'ffn_norm'):
            writer.add_tensor(f'blk.{i}.{name}.weight', norm)
        for name, array in layer.items():
            writer.add_tensor(f'blk.{i}.{name}.weight', array, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def measure(path: str, shape: tuple[int, int, int], dtype: str) -> dict[str, float]:
    """Loads in this process: seconds, and gigabytes kept, read and at the peak."""
    import jax
    from flax import nnx

    devices = int(np.prod(shape))
    jax.config.update('jax_num_cpu_devices', devices)
    from xlbarrier import mesh as mesh_lib
    from xlbarrier.models import load

    mesh = mesh_lib.make_mesh(*shape)
    jax.block_until_ready(jax.numpy.zeros(8) + 1)  # the backend's own memory is not the loader's
    pathlib.Path('/proc/self/clear_refs').write_text('5')  # the peak counts from here
    before = _status('VmRSS')
    start = time.perf_counter()
    decoder = load.load_decoder(path, mesh, param_dtype=dtype)
    state = jax.block_until_ready(nnx.state(decoder, nnx.Param))
    seconds = time.perf_counter() - start
    peak = _status('VmHWM') - before
    kept = sum(s.data.nbytes for a in jax.tree.leaves(state) for s in a.addressable_shards)
    return {'seconds': seconds, 'kept': kept / 1e9, 'peak': peak / 1e9}


def _status(name: str) -> int:
    """Bytes, from /proc/self/status."""
    for line in pathlib.Path('/proc/self/status').read_text().splitlines():
        if line.startswith(name + ':'):
            return int(line.split()[1]) * 1024
    raise ValueError(f'/proc/self/status has no {name}: this program wants Linux')


def main() -> int:
    """Prints the table; 1 where the limit is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--gigabytes', type=float, default=1.0)
    parser.add_argument('--folder', type=pathlib.Path)
    parser.add_argument('--measure', type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(*args.measure)))
        return 0
    worst = 0.0
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = pathlib.Path(folder) / 'synthetic.gguf'
        write(path, args.gigabytes)
        print(f'{path.stat().st_size / 1e9:.2f} GB of Q8_0')
        print(f'{"mesh":12}{"dtype":10}{"s":>8}{"kept GB":>10}{"peak GB":>10}{"ratio":>8}')
        for shape, dtype in RUNS:
            run = [sys.executable, __file__, '--measure', json.dumps([str(path), shape, dtype])]
            env = os.environ | {'JAX_PLATFORMS': 'cpu'}
            out = subprocess.run(run, env=env, check=True, capture_output=True, text=True).stdout
            row = json.loads(out.splitlines()[-1])
            ratio = row['peak'] / row['kept']
            worst = max(worst, ratio)
            figures = f'{row["seconds"]:8.1f}{row["kept"]:10.2f}{row["peak"]:10.2f}{ratio:8.2f}'
            print(f'{"x".join(map(str, shape)):12}{dtype:10}{figures}', flush=True)
    names = ('jax', 'flax', 'numpy', 'gguf')
    print(*(f'{name} {metadata.version(name)}' for name in names), sep=', ')
    print(f'{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores')
    print(f'worst {worst:.2f}, limit {LIMIT}')
    return int(worst > LIMIT)


if __name__ == '__main__':
    sys.exit(main())
