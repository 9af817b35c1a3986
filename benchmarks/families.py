"""Every family against transformers on torch, float32: writes docs/models.md from what it sees.

    python benchmarks/families.py [--write]

The models are those of tests/torch_families.py: small, random weights, at least two shapes a
family. Exit status 1 where a limit is missed.
"""

import os

os.environ.setdefault('JAX_PLATFORMS', 'cpu')
os.environ.setdefault('HF_HUB_OFFLINE', '1')

import argparse
import datetime
import pathlib
import platform
import sys
import tempfile
from importlib import metadata

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import torch_families
from tests.family_parity import GRADIENTS, LOGITS, Parity, compare
from tests.test_baichuan import SHAPES, baichuan, packed_gradients
from xlbarrier.models import load
from xlbarrier.models.families import FAMILIES
from xlbarrier.models.gguf_families import ARCHITECTURE_OF, ARCHITECTURES

HEAD = """# Models

What `model.source` takes: Hugging Face folders of safetensors, one file or several with an index,
of the families below; GGUF files of the architectures named in the third column. A family that is
not here is refused with this list. Not read: pickled checkpoints (the error says how to convert
them), models with code of their own (`trust_remote_code`), quantised safetensors, mixtures of
experts, rope scaling of the kinds yarn and longrope. Dynamic scaling changes nothing up to
`max_position_embeddings`; longer texts are refused (by `xb.logits` only where
positions are a learned table).

The two right columns are measured, by `python benchmarks/families.py --write`: small models with
random weights, the shapes of `tests/torch_families.py`, float32 on a CPU, {tokens} tokens and
less, against transformers on torch. *Logits*: the largest difference, over the largest logit (limit
{logits:g}). *Gradients*: of the summed next-token loss of three ragged texts, the largest distance
of one parameter's gradient, relative to its norm or, where that is nearly nothing, to 1e-4 of the
whole gradient's (limit {gradients:g}).

| `model_type` | what is supported | GGUF | shapes | logits | gradients |
|---|---|---|---|---|---|
"""
TAIL = """
Baichuan has no class in transformers: its 7B form is held against a Llama of its split weights, its
ALiBi against BLOOM's slopes (`tests/test_baichuan.py`). An exported Baichuan names the published
Python files (`auto_map`), which transformers needs and which are not written: copy them beside it.
Import, export and import again give the
same bytes for every family, and transformers loads what was exported with the same logits
(`tests/test_families.py`); LoRA adapters in PEFT's format go both ways (`tests/test_adapters.py`).

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


def main() -> int:
    """Prints the table, and writes it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--write', action='store_true', help='write docs/models.md')
    args = parser.parse_args()
    seen: dict[str, list[Parity]] = {}
    with tempfile.TemporaryDirectory() as root:
        for name in torch_families.CASES:
            family, parity = measure(name, pathlib.Path(root) / name)
            seen.setdefault(family, []).append(parity)
            print(f'{name:24} logits {parity.logits:.1e}  gradients {parity.gradients:.1e}')
        seen['baichuan'] = [
            measure_baichuan(name, pathlib.Path(root) / f'baichuan_{name}') for name in SHAPES
        ]
    lines = []
    for name, family in FAMILIES.items():
        logits = max(parity.logits for parity in seen[name])
        gradients = max(parity.gradients for parity in seen[name])
        gguf = ARCHITECTURE_OF.get(name, name)
        gguf = f'`{gguf}`' if gguf in ARCHITECTURES else 'no'
        lines.append(
            f'| `{name}` | {family.supported} | {gguf} | {len(seen[name])}'
            f' | {logits:.1e} | {gradients:.1e} |'
        )
    packages = ('jax', 'flax', 'transformers', 'torch')
    text = HEAD.format(logits=LOGITS, gradients=GRADIENTS, tokens=30) + '\n'.join(lines) + '\n'
    text += TAIL.format(
        date=datetime.date.today().isoformat(),
        versions=', '.join(f'{name} {metadata.version(name)}' for name in packages),
        machine=f'{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}',
    )
    print(text)
    if args.write:
        (ROOT / 'docs/models.md').write_text(text, encoding='utf-8')
    worst = [p for group in seen.values() for p in group]
    return int(any(p.logits > LOGITS or p.gradients > GRADIENTS for p in worst))


if __name__ == '__main__':
    sys.exit(main())
