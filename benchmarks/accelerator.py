"""This project and transformers + torch on one accelerator: training, scoring, writing.

    python benchmarks/accelerator.py [--seconds=270] [--parts=train,letters,...] [--tiny]

Random weights of published shapes (Llama-3.2-1B, Llama-3-8B), bfloat16 arithmetic:

    train     full AdamW of the 1B, float32 weights, 4 rows of 2,048 tokens, eight texts per row
    long      the same, 2 rows of 4,096 tokens
    letters   questions with demonstrations that 64 of them share, four letters each; the 8B
    options   questions with four options of 2 to 8 tokens and no demonstrations; the 8B
    generate  64 prompts that share demonstrations, 32 tokens each; the 8B
    lora      LoRA of rank 16 on q, k, v, o of the 8B, 2 rows of 2,048 tokens
    save      50 updates of `train` with one checkpoint, compared with 50 without; ours alone

Each side runs in a process of its own (letters, options and generate in one), ours and the peer's
in turn, the most important first; a part that the time left does not allow is left out and named.
The peer trains with torch.compile, sdpa, autocast, fused AdamW and checkpointing, causal over whole
rows; it scores sorted batches of 32, with logits where they are asked for; it writes one batch of
64. Ours takes every default. MFU counts 6 operations per parameter and token (4 for LoRA) and the
causal half of attention, against a bfloat16 product measured in the same process (of random
numbers: one of ones ran 12 % faster on an H200). Peak memory is the process's. --tiny: small
shapes, for a look on a CPU.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
from importlib import metadata
from typing import Any

import numpy as np

PACKAGES = ('jax', 'flax', 'optax', 'tokamax', 'torch', 'transformers', 'triton')
SHAPES = {  # vocabulary, layers, d_model, heads, kv heads, head, ffn, tied
    '1b': (128_256, 16, 2048, 32, 8, 64, 8192, True),
    '8b': (128_256, 32, 4096, 32, 8, 128, 14_336, False),
    'tiny': (512, 2, 64, 4, 2, 16, 128, True),
}
PARTS = {  # model, rows or questions, tokens of a row or of demonstrations
    'train': ('1b', 4, 2048),
    'letters': ('8b', 256, 600),
    'options': ('8b', 256, 0),
    'generate': ('8b', 64, 600),
    'long': ('1b', 2, 4096),
    'lora': ('8b', 2, 2048),
    'save': ('1b', 4, 2048),
}
ASKED = ('letters', 'options', 'generate')
# Processes in the order in which they run, and the least seconds that each is worth starting with.
RUNS = (
    ('ours', ('train',), 15),
    ('peer', ('train',), 30),
    ('ours', ASKED, 15),
    ('peer', ASKED, 20),
    ('ours', ('long',), 12),
    ('ours', ('lora',), 15),
    ('peer', ('long',), 30),
    ('peer', ('lora',), 30),
    ('ours', ('save',), 45),
)
WRITTEN, STEPS = 32, 5
EVERY = 50  # updates between two checkpoints


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--seconds', type=float, default=270)
    parser.add_argument('--parts', default=','.join(PARTS))
    parser.add_argument('--sides', default='ours,peer')
    parser.add_argument('--tiny', action='store_true')
    args = parser.parse_args()
    until = time.monotonic() + args.seconds
    print(', '.join(f'{name} {version(name)}' for name in PACKAGES), flush=True)
    print(f'{"part":9} {"side":5} {"rate":>22} {"MFU":>5} {"peak GiB":>8} {"compile s":>9}')
    rates: dict[str, dict[str, float]] = {}
    for side, parts, least in RUNS:
        parts = tuple(part for part in parts if part in args.parts.split(','))
        if not parts or side not in args.sides.split(','):
            continue
        left = until - time.monotonic()
        if left < least:
            print(f'{",".join(parts)} {side}: left out, {left:.0f} s left', flush=True)
            continue
        for answer in answers(side, parts, args.tiny, left):
            found = rates.setdefault(answer['part'], {})
            found[side] = answer['rate']
            print(line(side, answer), flush=True)
            if len(found) == 2:
                ratio = found['ours'] / found['peer']
                print(f'{answer["part"]:9} ours / peer {ratio:.2f}', flush=True)


def answers(side: str, parts: tuple[str, ...], tiny: bool, seconds: float) -> Any:
    """Yields a worker's report of each part as it comes, for a limited number of seconds."""
    script = pathlib.Path(__file__).with_name(f'accelerator_{side}.py')
    command = [sys.executable, str(script), *parts, *['--tiny'] * tiny]
    heard = []
    with tempfile.TemporaryFile('w+') as errors:
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        clock = threading.Timer(seconds, worker.kill)
        clock.start()
        for text in worker.stdout or ():
            if text.startswith('{'):
                heard.append(json.loads(text))
                yield heard[-1]
        status = worker.wait()
        if not clock.is_alive():
            print(f'{",".join(parts)} {side}: stopped after {seconds:.0f} s', flush=True)
        elif status:
            errors.seek(0)
            last = (errors.read().strip().splitlines() or ['no message'])[-1]
            print(f'{",".join(parts)} {side}: failed, {last[:300]}', flush=True)
        clock.cancel()


def line(side: str, answer: dict[str, Any]) -> str:
    """A line of the table."""
    mfu = f'{100 * answer["mfu"]:4.0f}%' if answer.get('mfu') else '    -'
    rate = f'{answer["rate"]:,.1f} {answer["unit"]}/s'
    return (
        f'{answer["part"]:9} {side:5} {rate:>22} {mfu} {answer["peak"] / 2**30:8.1f}'
        f' {answer["compile"]:9.1f}  {answer["note"]}'
    )


def work(worker: type) -> None:
    """What a worker's script does: its parts, one JSON line each."""
    parser = argparse.ArgumentParser()
    parser.add_argument('parts', nargs='+', choices=PARTS)
    parser.add_argument('--tiny', action='store_true')
    args = parser.parse_args()
    made = worker(args.tiny)
    for part in args.parts:
        answer = getattr(made, part if part in (*ASKED, 'save') else 'train')(part)
        print(json.dumps({'part': part, **answer, **made.after()}), flush=True)


def sizes(part: str, tiny: bool) -> tuple[str, int, int]:
    """Model, rows and tokens of a part."""
    model, rows, tokens = PARTS[part][:3]
    return ('tiny', min(rows, 8), min(tokens, 64)) if tiny else (model, rows, tokens)


def flops_a_token(shape: str, tokens: int, lora: bool) -> float:
    """Operations of a training step for each token, as the page's head counts them."""
    V, L, D, N, K, H, F, _ = SHAPES[shape]
    count = V * D + L * (D * H * (2 * N + 2 * K) + 3 * D * F)
    return (4 if lora else 6) * (count + L * N * H * tokens)


def training_rows(shape: str, rows: int, tokens: int) -> dict[str, np.ndarray]:
    """Packed rows of eight texts of unequal lengths, the same for both sides."""
    rng = np.random.default_rng(0)
    ends = np.sort(rng.choice(np.arange(1, tokens), (rows, 7), replace=False), axis=1)
    index = np.arange(tokens)
    number = (index[None, :, None] >= ends[:, None, :]).sum(-1)
    edges = np.concatenate([np.zeros((rows, 1), int), ends, np.full((rows, 1), tokens)], 1)
    first = np.take_along_axis(edges, number, 1)
    return {
        'tokens': rng.integers(3, SHAPES[shape][0], (rows, tokens)).astype(np.int32),
        'positions': (index - first).astype(np.int32),
        'until': (np.take_along_axis(edges, number + 1, 1) - 1).astype(np.int32),
        'weights': (index != first).astype(np.float32),
    }


def questions(part: str, tiny: bool, seed: int) -> list[tuple[list[int], list[list[int]]]]:
    """(context, continuations) of each question; demonstrations are shared by 64 in a row."""
    shape, count, shared = sizes(part, tiny)
    rng = np.random.default_rng(seed)

    def draw(n: int) -> list[int]:
        return rng.integers(3, SHAPES[shape][0], n).tolist()

    asked: list[tuple[list[int], list[list[int]]]] = []
    for number in range(count):
        if number % 64 == 0:
            demonstrations = draw(shared)
        own = draw(int(rng.integers(20, 40) if tiny else rng.integers(60, 140)))
        if part == 'options':
            options = [draw(int(n)) for n in rng.integers(2, 9, 4)]
        else:
            options = [[3], [4], [5], [6]]
        asked.append((demonstrations + own, options))
    return asked


def version(name: str) -> str:
    """Of an installed package."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return 'absent'


if __name__ == '__main__':
    main()
