"""The tables of docs/scaling.md: mode compile for Llama-3-8B and 70B on pods and a machine of GPUs.

    python benchmarks/scaling.py --folder=runs/scaling > tables.md

Needs the extra [tpu], for h100:8 the extra [gpu], and neither a TPU nor a GPU. A case takes one to
three minutes on two cores; one that is in the folder already is not compiled again. Each is one
run of the command that docs/scaling.md names.
"""

import argparse
import json
import pathlib
import subprocess
import sys
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent
PODS = ('v5e:4x4', 'v5e:16x16', 'v5p:2x2x4', 'v5p:4x8x8', 'v6e:4x4', 'h100:8')
MODELS = ('llama-3-8b', 'llama-3-70b')
BFLOAT16 = '--config.model.param_dtype=bfloat16'


def train_case(
    model: str, pod: str, rows: int, *, data: int = 1, tensor: int = 1, more: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """The flags of a training case."""
    return (
        *(f'--config.model.source=configs/shapes/{model}', f'--config.compile.topology={pod}'),
        *(f'--config.mesh.data={data}', f'--config.mesh.tensor={tensor}'),
        *(f'--config.train.batch_rows={rows}', "--config.compile.steps=('train',)", *more),
    )


def score_case(
    model: str, pod: str, *, data: int = 1, tensor: int = 1, more: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """The flags of a scoring case."""
    return (
        *(f'--config.model.source=configs/shapes/{model}', f'--config.compile.topology={pod}'),
        *(f'--config.mesh.data={data}', f'--config.mesh.tensor={tensor}', BFLOAT16),
        *("--config.compile.steps=('score',)", *more),
    )


def cases() -> dict[str, tuple[str, ...]]:
    """Name to flags: first what one would try first, then what else was tried."""
    small, large = MODELS
    e16, e256, p16, p256, trillium, h100 = PODS
    lora = ('--config.train.method=lora', BFLOAT16)
    dots = ('--config.train.remat=dots',)
    half = ('--config.train.row_tokens=1024',)
    return {
        '8b-train-v5e16': train_case(small, e16, 16),
        '8b-train-v5e256': train_case(small, e256, 256),
        '8b-train-v5p16': train_case(small, p16, 32),
        '8b-train-v5p256': train_case(small, p256, 512),
        '8b-train-v6e16': train_case(small, trillium, 32),
        '8b-train-h100': train_case(small, h100, 32),
        '70b-train-v5e16': train_case(large, e16, 16),
        '70b-train-v5e256': train_case(large, e256, 256),
        '70b-train-v5p16': train_case(large, p16, 16),
        '70b-train-v5p256': train_case(large, p256, 256),
        '70b-train-v6e16': train_case(large, trillium, 16, more=(*lora, *half)),
        '70b-train-h100': train_case(large, h100, 16, more=lora),
        '8b-score-v5e16': score_case(small, e16),
        '8b-score-v5e256': score_case(small, e256, data=16),
        '8b-score-v5p16': score_case(small, p16),
        '8b-score-v5p256': score_case(small, p256, data=16),
        '8b-score-v6e16': score_case(small, trillium),
        '8b-score-h100': score_case(small, h100),
        '70b-score-v5e16': score_case(large, e16),
        '70b-score-v5e256': score_case(large, e256),
        '70b-score-v5p16': score_case(large, p16),
        '70b-score-v5p256': score_case(large, p256, data=16),
        '70b-score-v6e16': score_case(large, trillium),
        '70b-score-h100': score_case(large, h100),
        '8b-train-v5e16-tensor': train_case(small, e16, 8, tensor=2),
        '8b-train-v5e256-copies': train_case(small, e256, 256, data=16),
        '8b-train-v5p16-dots': train_case(small, p16, 32, more=dots),
        '70b-train-v5e16-lora': train_case(large, e16, 16, more=(*lora, *half)),
        '70b-train-v5e16-lora-tensor': train_case(large, e16, 4, tensor=4, more=lora),
        '70b-train-v5e256-tensor': train_case(large, e256, 64, tensor=4),
        '70b-train-v5e256-short': train_case(large, e256, 256, more=half),
        '70b-score-v5e16-tensor': score_case(large, e16, tensor=4),
        '70b-train-v5p16-tensor': train_case(large, p16, 16, tensor=2),
    }


def run(folder: pathlib.Path, flags: tuple[str, ...]) -> dict[str, Any] | None:
    """One case, or what an earlier run of it has left; None where it was refused."""
    result = folder / 'compile.json'
    if not result.exists():
        command = [
            *(sys.executable, '-m', 'xlbarrier.main', '--config=configs/compile.py'),
            *(f'--workdir={folder}', *flags),
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        print(done.stdout, file=sys.stderr)
        if done.returncode:
            print(done.stderr[-2000:], file=sys.stderr)
            return None
    return json.loads(result.read_text())


GIB = 1 << 30
HEAD = (
    '| pod | mesh | {} | memory per chip, GiB | verdict | TFLOP | HBM GB | sent GB | at best |'
    ' MFU at most | compiled in |\n' + '|---' * 11 + '|'
)


def table(folder: pathlib.Path, model: str, step: str) -> str:
    """The rows of one model and step, as Markdown."""
    lines = [HEAD.format('update' if step == 'train' else 'rows of a shard')]
    for name in cases():
        here = folder / name
        if f'{model}-{step}-' not in name or not (here / 'compile.json').exists():
            continue
        record = json.loads((here / 'compile.json').read_text())
        lines.append(row(record, json.loads((here / 'config.json').read_text())))
    return '\n'.join(lines)


def row(record: dict[str, Any], config: dict[str, Any]) -> str:
    """One case."""
    (step,) = record['steps']
    bound, mesh = step['bound'], record['mesh']
    cells = [
        record['topology'],
        ' x '.join(str(mesh[axis]) for axis in ('data', 'fsdp', 'tensor')),
        what(step['name'], config),
        memory(step['memory_bytes']),
        f'**{step["verdict"]}**' if bound is None else step['verdict'],
        f'{step["flops"]["total"] / 1e12:.1f}',
    ]
    if bound is None:
        cells += ['-'] * 4
    else:
        sent = sum(found['wire_bytes'] for found in step['collectives'].values())
        cells += [
            f'{step["hbm_bytes"] / 1e9:.0f}',
            f'{sent / 1e9:.1f}',
            f'{bound["seconds"]:.3g} s, {bound["by"]}',
            f'{bound["mfu"]:.0%}',
        ]
    took = step['compile_seconds']
    cells.append(f'{took:.0f} s' if took else 'not compiled')
    return '| ' + ' | '.join(cells) + ' |'


def what(step: str, config: dict[str, Any]) -> str:
    """Batch and fields of a case."""
    if step == 'score':
        from xlbarrier.aot.topology import parse
        from xlbarrier.config.score import ScoreConfig
        from xlbarrier.scoring.sizes import of_platform

        names = ('row_tokens', 'rows_per_device')  # 0: chosen
        score = ScoreConfig(**{name: config['score'][name] for name in names})
        used = of_platform(score, parse(config['compile']['topology']).platform)
        return f'{used.rows_per_device} x {used.row_tokens}'
    train = config['train']
    parts = [f'{train["batch_rows"]} x {train["row_tokens"]}']
    if train['accumulate'] > 1:
        parts.append(f'in {train["accumulate"]}')
    if train['method'] == 'lora':
        parts.append(f'LoRA, {config["model"]["param_dtype"]}')
    if train['remat'] != 'full':
        parts.append(f'remat {train["remat"]}')
    return ', '.join(parts)


def memory(found: dict[str, int | None]) -> str:
    """Parts, sum and what there is."""
    names = ('parameters', 'optimizer', 'temporaries', 'other')
    parts = [f'{found[name] / GIB:.1f}' for name in names if found[name]]
    if found['temporaries'] is not None:
        return f'{" + ".join(parts)} = {found["needed"] / GIB:.1f} of {found["hbm"] / GIB:.0f}'
    state = f'{" + ".join(parts)} + ...'
    if found['needed'] is None:
        return f'{state} of {found["hbm"] / GIB:.0f}'
    return f'{state} = {found["needed"] / GIB:.1f} of {found["available"] / GIB:.2f}'


def main() -> None:
    """Compiles what is missing and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--folder', type=pathlib.Path, required=True)
    parser.add_argument('--only', default='', help='compile cases whose name holds this')
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    for name, flags in cases().items():
        if arguments.only in name:
            record = run(folder / name, flags)
            print(name, record and record['steps'][0]['verdict'], file=sys.stderr, flush=True)
    for model in ('8b', '70b'):
        for step in ('train', 'score'):
            print(f'\n### {model} {step}\n\n{table(folder, model, step)}')


if __name__ == '__main__':
    main()
