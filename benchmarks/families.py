"""Compares every family with transformers on torch in float32, and writes docs/models.md.

    python benchmarks/families.py [--results FILE] [--kept] [--write]

The models are those of tests/torch_families.py: small, random weights, at least two shapes for each
family. Each case is appended to the results as it is measured, so that an interrupted run continues
where it stopped. With --kept nothing is measured: the page is put together from the kept results,
and from those of `EARLIER` for what is not among them. Exit status 1 where a limit is missed.
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
from xlbarrier.models.gguf_families import architectures_of

RESULTS = ROOT / 'runs/families.jsonl'
HEAD = """# Models

`model.source` takes Hugging Face folders of safetensors, one file or several with an index, of the
families below, and GGUF files of the architectures named in the third column. Safetensors may be
quantised (bitsandbytes, GPTQ, AWQ, FP8, MXFP4, compressed-tensors): [Model files](model_files.md)
lists what is read of each format. Mixtures of experts are supported in three families: `mixtral`,
`qwen3_moe` and `gpt_oss`. Any other family is refused with this list, or with a reason if it is one
of those that the last table names. Also refused: pickled checkpoints (the error says how to convert
them) and models with code of their own (`trust_remote_code`).

Rope scaling is supported in the kinds linear, dynamic, llama3, yarn, longrope and proportional
(Gemma 4). Dynamic scaling and longrope depend on the length of the text: up to the length of the
original training they are those of short texts. Texts longer than `max_position_embeddings` are
refused (by `xb.logits` only if positions are a learned table).

The two right columns are measured by `benchmarks/families.py`: small models with random weights,
the shapes of `tests/torch_families.py`, float32 on a CPU, at most {tokens} tokens, compared with
transformers on torch. *Logits*: the largest difference, relative to the largest logit (limit
{logits:g}). *Gradients*: of the summed next-token loss of three ragged texts, the largest distance
of one parameter's gradient, relative to its norm or, if that is nearly zero, to 1e-4 of the norm of
the whole gradient (limit {gradients:g}).

| `model_type` | what is supported | GGUF | shapes | logits | gradients |
|---|---|---|---|---|---|
"""
TAIL = """{dagger}
Baichuan has no class in transformers: its 7B form is compared with a Llama of its split weights,
its ALiBi with BLOOM's slopes (`tests/test_baichuan.py`). An exported Baichuan names the published
Python files (`auto_map`), which transformers needs and which are not written: copy them there.
Import, export and import again give the same bytes for every family, and transformers computes the
same logits from what was exported (`tests/test_families.py`). LoRA adapters in PEFT's format are
read and written (`tests/test_adapters.py`).

## Mixtures of experts

No token is dropped: each goes to all of its experts, whose tokens are the groups of
`jax.lax.ragged_dot`. The experts are split over the mesh axis `tensor`: each device computes its
own experts for all tokens of its rows, and one sum over the axis joins their outputs, as for the
down map of a dense model. So tokens are not exchanged between devices, the mesh needs no further
axis, and `mesh.tensor` must divide the number of experts. In training, the gradient includes that
of transformers' load-balancing loss, with the weight in the model's config
(`router_aux_loss_coef`; 0 turns it off); the reported loss remains the cross-entropy. Only the maps
of attention (`q`, `k`, `v`, `o`) can have adapters.

## Models of text and images

Of these only the text part is read, and exported as a model of its own: Gemma 3 (from 4B), Gemma 4,
Aya Vision, Cohere 2 Vision (Command A Vision), LLaVA and LLaVA-NeXT, Mistral Small 3.1 and
Ministral 3, Qwen 2 VL, 2.5 VL and 3 VL.

## Layers of two sizes

Gemma 4's whole layers have wider heads than its local ones, and may have fewer of keys and values;
its last layers may have wider feed-forward parts and take their keys and values from earlier
layers. As all layers are computed by one scan, each parameter has the largest size of all layers,
and is zero beyond a layer's own; what is zero stays so in training and is not exported. So the
parameters take more memory than the files: 7 % more for E4B and 24 % for 31B, by the sizes in the
table below. The key-value cache has room for each layer. 26B-A4B has experts beside its
feed-forward part, and is refused.

## Published models by name

Whether `model.source` accepts each, by the fields of its config.json. These were written from
memory and shortened (`benchmarks/published_models.py`); no published file was loaded. So a refusal
by `model_type` is certain, and *loads* says that the family and these fields are supported.

{published}
{provenance}
{versions}; {machine}.
"""
DAGGER = """
† Not all shapes of the family are among the kept results. The figures are the larger of those and
of the run of {earlier}. `tests/test_families.py` and `tests/test_baichuan.py` compare every shape
with the limits.
"""
MEASURED = 'Measured {date}:'
KEPT = """This page was put together on {date} from the results of that day that the benchmark had
kept; the rows with a dagger carry figures of {earlier}. Most of the older families were measured
with XLA's optimisation off. Versions:"""
# Logits and gradients of the families that the kept results lack in part: remove an entry when a
# run has measured all its shapes.
EARLIER_DATE = '2026-11-21'
EARLIER = {'baichuan': (1.2e-06, 2.1e-06), 'xglm': (4.6e-07, 9.4e-05)}


def measure(name: str, folder: pathlib.Path) -> tuple[str, Parity]:
    """(model_type, parity) of one case."""
    torch_families.save(folder, name)
    return load.read_config(folder).family, compare(folder)


def measure_baichuan(name: str, folder: pathlib.Path) -> Parity:
    """Of the 7B form, compared with the Llama that has its split weights."""
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


def case_names() -> list[str]:
    """The names of all cases."""
    return [*torch_families.CASES, *(f'baichuan_{name}' for name in SHAPES)]


def family_of(name: str) -> str:
    """The family of a case."""
    if name.startswith('baichuan_'):
        return 'baichuan'
    stem = torch_families.CASES[name].stem
    classes = (f'{stem}ForCausalLM', f'{stem}LMHeadModel')
    return next(name for name, family in FAMILIES.items() if family.architecture in classes)


def row_of(name: str, cases: dict[str, tuple[str, Parity]]) -> str:
    """A family's line of the table."""
    expected = [case for case in case_names() if family_of(case) == name]
    found = [cases[case][1] for case in expected if case in cases]
    logits, gradients = [p.logits for p in found], [p.gradients for p in found]
    mark = ''
    if len(found) < len(expected):
        mark = ' †'
        logits.append(EARLIER[name][0])
        gradients.append(EARLIER[name][1])
    gguf = ', '.join(f'`{each}`' for each in architectures_of(name)) or 'no'
    return (
        f'| `{name}` | {FAMILIES[name].supported} | {gguf} | {len(expected)}'
        f' | {max(logits):.1e}{mark} | {max(gradients):.1e}{mark} |'
    )


def measure_all(path: pathlib.Path) -> dict[str, tuple[str, Parity]]:
    """Measures the cases that are not recorded, and records them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seen = recorded(path)
    names = case_names()
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
    """Prints the page, and writes it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--results', type=pathlib.Path, default=RESULTS)
    parser.add_argument('--kept', action='store_true', help='measure nothing')
    parser.add_argument('--write', action='store_true', help='write docs/models.md')
    args = parser.parse_args()
    cases = recorded(args.results) if args.kept else measure_all(args.results)
    lines = [row_of(name, cases) for name in FAMILIES]
    whole = all(name in cases for name in case_names())
    dates = {'date': datetime.date.today().isoformat(), 'earlier': EARLIER_DATE}
    packages = ('jax', 'flax', 'transformers', 'torch')
    text = HEAD.format(logits=LOGITS, gradients=GRADIENTS, tokens=30) + '\n'.join(lines) + '\n'
    text += TAIL.format(
        dagger='' if whole else DAGGER.format(**dates),
        provenance=(KEPT if args.kept else MEASURED).format(**dates),
        published=published_models.table(),
        versions=', '.join(f'{name} {metadata.version(name)}' for name in packages),
        machine=f'{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}',
    )
    print(text)
    if args.write:
        (ROOT / 'docs/models.md').write_text(text, encoding='utf-8')
    measured = [parity for _, parity in cases.values()]
    return int(any(p.logits > LOGITS or p.gradients > GRADIENTS for p in measured))


if __name__ == '__main__':
    sys.exit(main())
