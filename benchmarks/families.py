"""Every family against transformers on torch, float32: writes docs/models.md from what it sees.

    python benchmarks/families.py [--results FILE] [--write]

The models are those of tests/torch_families.py: small, random weights, at least two shapes for each
family. Each case is appended to the results as it is measured, so that a run that was stopped goes
on where it was. Exit status 1 where a limit is missed.
"""

import os

os.environ.setdefault('JAX_PLATFORMS', 'cpu')
os.environ.setdefault('HF_HUB_OFFLINE', '1')

import argparse
import datetime
import json
import pathlib
import platform
import sys
import tempfile
from importlib import metadata

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import published_models
from tests import torch_families
from tests.family_parity import GRADIENTS, LOGITS, Parity, compare
from tests.test_baichuan import SHAPES, baichuan, packed_gradients
from xlbarrier.models import load
from xlbarrier.models.families import FAMILIES
from xlbarrier.models.gguf_families import ARCHITECTURE_OF, ARCHITECTURES

RESULTS = ROOT / 'runs/families.jsonl'
HEAD = """# Models

`model.source` takes Hugging Face folders of safetensors, one file or several with an index, of the
families below, and GGUF files of the architectures named in the third column. Any other family is
refused with this list, or with the reason where it is one of those named at the end. Also refused:
pickled checkpoints (the error says how to convert them) and models with code of their own
(`trust_remote_code`).

Rope scaling is read in the kinds linear, dynamic, llama3, yarn and longrope. Dynamic scaling and
longrope change with the length of a text: within the length of the first training they are those of
short texts. Longer texts than `max_position_embeddings` are refused (by `xb.logits` only where
positions are a learned table).

The two right columns are measured, by `python benchmarks/families.py --write`: small models with
random weights, the shapes of `tests/torch_families.py`, float32 on a CPU, at most {tokens} tokens,
against transformers on torch. *Logits*: the largest difference, over the largest logit (limit
{logits:g}). *Gradients*: of the summed next-token loss of three ragged texts, the largest distance
of one parameter's gradient, relative to its norm or, where that is nearly nothing, to 1e-4 of the
whole gradient's (limit {gradients:g}).

| `model_type` | what is supported | GGUF | shapes | logits | gradients |
|---|---|---|---|---|---|
"""
TAIL = """
Baichuan has no class in transformers: its 7B form is compared with a Llama of its split weights,
its ALiBi with BLOOM's slopes (`tests/test_baichuan.py`). An exported Baichuan names the published
Python files (`auto_map`), which transformers needs and which are not written: copy them beside it.
Import, export and import again give the same bytes for every family, and transformers loads what
was exported with the same logits (`tests/test_families.py`); LoRA adapters in PEFT's format go both
ways (`tests/test_adapters.py`).

## Mixtures of experts

No token is dropped: each goes to all of its experts, whose tokens are the groups of
`jax.lax.ragged_dot`. The experts are split over the mesh axis `tensor`: a device computes its own
experts for all tokens of its rows, and the sum over the axis that joins the down map of a dense
model joins their outputs. So tokens are not exchanged between devices, the mesh needs no axis more,
and `mesh.tensor` must divide the number of experts. In training the load-balancing loss of
transformers, with the weight that the model's config gives it (`router_aux_loss_coef`; 0 turns it
off), moves the gradient; the reported loss stays the cross-entropy. Adapters are those of attention
(`q`, `k`, `v`, `o`).

## Models of text and images

Of these the text part is read alone, and exported as a model of its own: Gemma 3 (from 4B), Aya
Vision, Cohere 2 Vision (Command A Vision), LLaVA and LLaVA-NeXT, Mistral Small 3.1 and Ministral 3,
Qwen 2 VL, 2.5 VL and 3 VL.

## Published models by name

What `model.source` says to each, by the fields of its config.json; these are from memory, shortened
(`benchmarks/published_models.py`), so take a refusal for certain and a *loads* as of the family.

{published}
Measured {date}: {versions}; {machine}.
"""


def measure(name: str, folder: pathlib.Path) -> tuple[str, Parity]:
    """(model_type, parity) of one case."""
    torch_families.save(folder, name)
    return load.read_config(folder).family, compare(folder)


def measure_baichuan(name: str, folder: pathlib.Path) -> Parity:
    """Of the 7B form, against the Llama that holds its split weights."""
    folder.mkdir()
    llama = torch_families.save(folder / 'llama', name)
    return compare(
        baichuan(folder / 'baichuan', llama), torch_families.read(llama), packed_gradients
    )


def recorded(path: pathlib.Path) -> dict[str, tuple[str, Parity]]:
    """The cases that were measured so far: (model_type, parity) by name."""
    lines = path.read_text(encoding='utf-8').splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines]
    return {row['case']: (row['family'], Parity(**row['parity'])) for row in rows}


def measure_all(path: pathlib.Path) -> dict[str, tuple[str, Parity]]:
    """Measures the cases that are not recorded, and records them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seen = recorded(path)
    names = [*torch_families.CASES, *(f'baichuan_{name}' for name in SHAPES)]
    with tempfile.TemporaryDirectory() as root, path.open('a', encoding='utf-8') as file:
        for name in names:
            if name in seen:
                continue
            folder = pathlib.Path(root) / name
            if name.startswith('baichuan_'):
                family = 'baichuan'
                parity = measure_baichuan(name.removeprefix('baichuan_'), folder)
            else:
                family, parity = measure(name, folder)
            seen[name] = (family, parity)
            row = {'case': name, 'family': family, 'parity': vars(parity)}
            print(json.dumps(row), file=file, flush=True)
            print(f'{name:28} logits {parity.logits:.1e}  gradients {parity.gradients:.1e}')
    return {name: seen[name] for name in names}


def main() -> int:
    """Prints the page, and writes it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--results', type=pathlib.Path, default=RESULTS)
    parser.add_argument('--write', action='store_true', help='write docs/models.md')
    args = parser.parse_args()
    cases = measure_all(args.results)
    lines = []
    for name, family in FAMILIES.items():
        group = [parity for of, parity in cases.values() if of == name]
        gguf = ARCHITECTURE_OF.get(name, name)
        gguf = f'`{gguf}`' if gguf in ARCHITECTURES else 'no'
        lines.append(
            f'| `{name}` | {family.supported} | {gguf} | {len(group)}'
            f' | {max(p.logits for p in group):.1e} | {max(p.gradients for p in group):.1e} |'
        )
    packages = ('jax', 'flax', 'transformers', 'torch')
    text = HEAD.format(logits=LOGITS, gradients=GRADIENTS, tokens=30) + '\n'.join(lines) + '\n'
    text += TAIL.format(
        published=published_models.table(),
        date=datetime.date.today().isoformat(),
        versions=', '.join(f'{name} {metadata.version(name)}' for name in packages),
        machine=f'{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}',
    )
    print(text)
    if args.write:
        (ROOT / 'docs/models.md').write_text(text, encoding='utf-8')
    worst = [parity for _, parity in cases.values()]
    return int(any(p.logits > LOGITS or p.gradients > GRADIENTS for p in worst))


if __name__ == '__main__':
    sys.exit(main())
