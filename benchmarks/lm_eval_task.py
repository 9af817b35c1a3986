"""One task of lm-evaluation-harness by both commands: `xlbarrier lm-eval` and the harness's `hf`.

    python benchmarks/lm_eval_task.py --data=FOLDER [--subjects=4] [--questions=32] [--rounds=1]

Needs lm_eval, torch, accelerate and this project in one environment. The task is MMLU's letters
after five demonstrations, written as a task of the harness (FOLDER has its `dev` and `test` files,
CSV with the columns question, choice0 to choice3 and answer); the model is SmolLM2-135M in float32,
in a Hugging Face folder that both read. Each command is a process of its own, in turn, timed from
its start to its end, with the imports and the compiling. `hf` gets each batch size of --batches on
one subject first and keeps the fastest. Printed: both tables as the harness writes them, seconds
and questions a second of each round, their ratio, the largest difference of a log-likelihood,
versions, machine. Exits with 1 when one differs by more than 1e-3 nats or an accuracy differs.
"""

import argparse
import csv
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time
from importlib import metadata

from lm_eval_parity import CLOSE, SOURCE, export

TASK = """
task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    dev: {folder}/{name}_dev.json
    test: {folder}/{name}_test.json
fewshot_split: dev
test_split: test
fewshot_config:
  sampler: first_n
output_type: multiple_choice
doc_to_text: "{{{{question.strip()}}}}\\nA. {{{{options[0]}}}}\\nB. {{{{options[1]}}}}\\n\\
  C. {{{{options[2]}}}}\\nD. {{{{options[3]}}}}\\nAnswer:"
doc_to_choice: ["A", "B", "C", "D"]
doc_to_target: answer
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--data', type=pathlib.Path, required=True, help='dev and test of MMLU')
    parser.add_argument('--subjects', type=int, default=4, help='the first ones')
    parser.add_argument('--questions', type=int, default=32, help='of each subject')
    parser.add_argument('--shots', type=int, default=5)
    parser.add_argument('--rounds', type=int, default=1)
    parser.add_argument('--batches', default='1,4,8', help='batch sizes that hf tries')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        export(SOURCE, folder / 'model')
        tasks = [write_task(args, path, folder) for path in first_subjects(args)]
        batch = fastest(args, folder, tasks[0])
        results = [compare(args, folder, tasks, batch) for _ in range(args.rounds)]
    names = ('lm_eval', 'torch', 'transformers', 'jax')
    versions = ', '.join(f'{name} {metadata.version(name)}' for name in names)
    print(f'{versions}; {platform.machine()}, {os.cpu_count()} cores')
    sys.exit(0 if all(results) else 1)


def first_subjects(args: argparse.Namespace) -> list[pathlib.Path]:
    """The test files of the first subjects by name."""
    return sorted((args.data / 'test').glob('*_test.csv'))[: args.subjects]


def write_task(args: argparse.Namespace, test: pathlib.Path, folder: pathlib.Path) -> str:
    """Writes a subject as a task of the harness; returns its name."""
    subject = test.name.removesuffix('_test.csv')
    name = f'local_mmlu_{subject}'
    dev = args.data / 'dev' / f'{subject}_dev.csv'
    for split, path, most in (('dev', dev, args.shots), ('test', test, args.questions)):
        with path.open(encoding='utf-8', newline='') as file:
            items = [
                {
                    'question': row['question'],
                    'options': [row[f'choice{n}'] for n in range(4)],
                    'answer': int(row['answer']),
                }
                for row in list(csv.DictReader(file))[:most]
            ]
        (folder / f'{name}_{split}.json').write_text(json.dumps(items), encoding='utf-8')
    (folder / f'{name}.yaml').write_text(TASK.format(name=name, folder=folder), encoding='utf-8')
    return name


def fastest(args: argparse.Namespace, folder: pathlib.Path, task: str) -> int:
    """The batch size at which hf answers one subject soonest."""
    seconds = {
        batch: ask('hf', args, folder, [task], batch)[0]
        for batch in map(int, args.batches.split(','))
    }
    print(f'hf: seconds of {task} by batch size: {seconds}', flush=True)
    return min(seconds, key=seconds.__getitem__)


def compare(args: argparse.Namespace, folder: pathlib.Path, tasks: list[str], batch: int) -> bool:
    """Runs both commands and prints what they did; whether they agree."""
    asked = {name: ask(name, args, folder, tasks, batch) for name in ('ours', 'hf')}
    for name, (seconds, table, scores) in asked.items():
        print(f'{name}, {len(scores) / seconds:.2f} questions/s ({seconds:.1f} s)\n{table}')
    ours, theirs = asked['ours'], asked['hf']
    assert ours[2].keys() == theirs[2].keys(), 'both answered the same questions'
    gap = max(
        abs(a - b)
        for key, (_, values) in ours[2].items()
        for a, b in zip(values, theirs[2][key][1], strict=True)
    )
    unequal = sum(ours[2][key][0] != theirs[2][key][0] for key in ours[2])
    print(
        f'ours is {theirs[0] / ours[0]:.2f} x as fast as hf (batches of {batch});'
        f' |difference| <= {gap:.1e} nats; {unequal} of {len(ours[2])} questions judged otherwise',
        flush=True,
    )
    return gap <= CLOSE and not unequal


def ask(
    name: str, args: argparse.Namespace, folder: pathlib.Path, tasks: list[str], batch: int
) -> tuple[float, str, dict[tuple[str, int], tuple[float, list[float]]]]:
    """Seconds of the whole command, its table, and (task, item) -> accuracy and scores."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        if name == 'ours':
            command = [sys.executable, '-m', 'xlbarrier.main', 'lm-eval']
            command += ['--model_args', f'source={folder}/model,dtype=float32']
        else:
            command = [sys.executable, '-m', 'lm_eval', 'run', '--model', 'hf', '--device', 'cpu']
            command += ['--model_args', f'pretrained={folder}/model,dtype=float32']
            command += ['--batch_size', str(batch)]
        command += ['--tasks', ','.join(tasks), '--include_path', str(folder)]
        command += ['--num_fewshot', str(args.shots), '--output_path', out, '--log_samples']
        began = time.perf_counter()
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, 'JAX_PLATFORMS': 'cpu', 'HF_HUB_OFFLINE': '1'},
        )
        seconds = time.perf_counter() - began
        if done.returncode:
            raise SystemExit(done.stderr[-3000:])
        table = '\n'.join(line for line in done.stdout.splitlines() if line.startswith('|'))
        scores = {}
        for path in pathlib.Path(out).rglob('samples_*.jsonl'):
            for line in path.read_text(encoding='utf-8').splitlines():
                sample = json.loads(line)
                values = [float(each[0]) for each in sample['filtered_resps']]
                task = path.name.removeprefix('samples_').rpartition('_')[0]
                scores[task, sample['doc_id']] = sample['acc'], values
    return seconds, table, scores


if __name__ == '__main__':
    main()
