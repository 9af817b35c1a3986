"""The findings in words: no difference that could be chance is reported as one."""

from collections.abc import Mapping
from typing import Any

from xlbarrier.results.numbers import ALPHA, Barrier, Numbers, Verdict, at_chance, barrier
from xlbarrier.results.rows import ALL, MEAN, ResultRow
from xlbarrier.text import languages
from xlbarrier.text.languages import SEVERAL

__all__ = ['ALPHA', 'Numbers', 'at_chance']

LANGUAGE_WORDS = {MEAN: 'mean of the other languages', ALL: 'mean'}


def percent(value: float | None) -> str:
    """A share as a percentage; a dash where there is none."""
    return '–' if value is None else f'{100 * value:.1f}'.replace('-', '−')


def points(value: float | None) -> str:
    """A difference of shares in percentage points, with its sign; a dash where there is none."""
    return '–' if value is None else f'{100 * value:+.1f}'.replace('-', '−')


def p_value(p: float) -> str:
    """A p-value with three digits; '< 0.001' where that would be 0.000."""
    return '< 0.001' if p < 0.0005 else f'{p:.3f}'


def interval(row: ResultRow, form: Any = percent) -> str:
    """The row's interval in brackets, or nothing."""
    if row.get('ci_low') is None:
        return ''
    return f'[{form(row["ci_low"])}, {form(row["ci_high"])}]'


def headline(numbers: Numbers, task: str, method: str) -> list[str]:
    """Sentences on the barrier and on how each arm changed it.

    Only the means over languages are tested here; their p-values are Holm-adjusted together.
    """
    key = {'task': task, 'method': method}
    models = numbers.values('model', metric='accuracy', **key)
    base = models[0]
    seen = barrier(numbers, task, method, base)
    name = 'the base model' if base == 'base' else base
    sentences = [_barrier(seen, name)] if seen is not None else []
    for model in models[1:]:
        sentences += effect(numbers, model, key)
    return sentences


def unreadable(numbers: Numbers, task: str, method: str) -> list[str]:
    """A sentence on the written answers in which no option can be read, where there are any."""
    shares: dict[str, list[float]] = {}
    for row in numbers.rows:
        named = (row['task'], row['method'], row['metric']) == (task, method, 'unreadable_share')
        if named and row['value'] is not None:
            shares.setdefault(_named(row), []).append(row['value'])
    by_model = [f'{name} {percent(sum(s) / len(s))} %' for name, s in shares.items()]
    if not by_model:
        return []
    return [f'Answers that could not be read, which count as wrong: {", ".join(by_model)}.']


def seeds(numbers: Numbers, task: str, method: str) -> list[str]:
    """Sentences on the arms that pool several seeds: how, and the smallest effect to be seen."""
    key = {'task': task, 'method': method, 'variant': 'full', 'language': MEAN}
    found = numbers.rows_of('smallest_difference_to_base', **key)
    if not found:
        return []
    counts = sorted({row['seeds'] for row in found})
    least = ', '.join(f'{row["model"]} {percent(row["value"])}' for row in found)
    return [
        f'Each arm is the mean of {" or ".join(map(str, counts))} seeds: intervals draw items and'
        ' seeds, tests are over items and corrected over the arms.',
        'The smallest true change against base, on the mean over the other languages, that this'
        f' design finds significant with a power of 80 %, in points: {least}.',
    ]


def at_test_time(numbers: Numbers, task: str, method: str) -> list[str]:
    """Sentences on what helps when a question is asked: translation, and the ensemble."""
    key = {'task': task, 'method': method}
    together = {'task': task, 'method': f'ensemble:{method}', 'language': SEVERAL}
    sentences = []
    for model in numbers.values('model', metric='accuracy', **key):
        here = {'variant': 'translated', 'language': MEAN, 'model': model}
        gain = numbers.find(metric='gain_over_full', **here, **key)
        right = numbers.find(metric='accuracy', **here, **key)
        if gain is not None and right is not None:
            sentences.append(
                f'Translated into English when they are asked, {percent(right["value"])} % of the'
                f' questions in the other languages are right ({_named(right)}); compared with'
                f' asking directly: {_change(gain)}.'
            )
        gain = numbers.find(metric='gain_over_mean', model=model, **together)
        right = numbers.find(metric='accuracy', model=model, **together)
        if gain is not None and right is not None:
            sentences.append(
                f'All languages together answer {percent(right["value"])} % right'
                f' ({_named(right)}); compared with the mean of their accuracies: {_change(gain)}.'
            )
    return sentences


LEFT_OUT = 'left_out:'  # how the metrics begin that count items which were not asked
_LEFT_OUT_BECAUSE = {
    'common': 'they do not exist in every language',
    'empty_option': 'an option is empty',
    'equal_options': 'two options are equal',
    'one_candidate': 'they have only one candidate',
}


def left_out(numbers: Numbers, task: str) -> list[str]:
    """Sentences on the items of a task that were not asked in any language, where there are any."""
    found = {
        row['metric'].removeprefix(LEFT_OUT): row
        for row in numbers.rows
        if row['task'] == task and row['metric'].startswith(LEFT_OUT)  # the same for every model
    }
    return [
        f'{row["value"]:.0f} of {row["n"]} items were not asked in any language, because'
        f' {_LEFT_OUT_BECAUSE.get(reason, reason)}.'
        for reason, row in found.items()
    ]


def verdict(found: Verdict, name: str) -> list[str]:
    """The sentences at the top of a report: the barrier, and what fine-tuning did to it.

    Args:
      found: of the run.
      name: the base model's own name.
    """
    seen = found.barrier
    where = f'in {seen.task}, method {seen.method}'
    sentences = [_barrier(seen, name, where)]
    if seen.found and seen.widest is not None:
        language = languages.named(seen.widest['language']).english_name
        value = 100 * (seen.widest['value'] or 0.0)
        sentences.append(f'It is widest in {language}: {value:.1f} points.')
    if found.change is not None and seen.readable:
        model, change = found.change['model'], _change(found.change)
        arm, lower = found.change['arm'], (found.change['value'] or 0.0) < 0
        which, whose = ('fine-tuned', f'the {model} arm') if arm else ('other', model)
        verb = 'changes' if arm else 'differs'
        sentences.append(
            f'Of the {which} models {whose} has the lowest barrier: it {verb} by {change}.'
            if lower
            else f'No {which} model has a lower barrier: that of {whose} {verb} least, by {change}.'
        )
    return sentences


def _barrier(seen: Barrier, name: str, where: str = '') -> str:
    """The sentence on a barrier; `where` says in which task and method it was seen."""
    source, gap = seen.source, seen.gap
    about = f' ({where})' if where else ''
    if not seen.readable:
        return (
            f'Even in English {name} is right on {percent(source["value"])} % of'
            f' {source["n"]} questions{about}, which is not significantly above guessing'
            f' ({percent(source["chance"])} %): read this way, no barrier can be measured.'
        )
    if seen.others is None or gap is None:
        share = percent(source['value'])
        return f'{_upper(name)} is right on {share} % of {source["n"]} questions{about}.'
    words = (
        f'{_upper(name)} is right on {percent(source["value"])} % of {source["n"]} questions in'
        f' English{about}, and on {percent(seen.others["value"])} % on average in'
        f' {_others(seen.languages)} (guessing: {percent(source["chance"])} %)'
    )
    if seen.found:
        return (
            f'{words}: a barrier of {percent(gap["value"])} points, 95 % interval {interval(gap)}.'
        )
    return f'{words}. The difference, 95 % interval {interval(gap)}, could be chance.'


def _others(count: int) -> str:
    return 'the other language' if count == 1 else f'the {count} other languages'


def _upper(name: str) -> str:
    """A name at the start of a sentence; a model's own name is kept as it is."""
    return f'T{name[1:]}' if name.startswith('the ') else name


def effect(numbers: Numbers, model: str, key: Mapping[str, str]) -> list[str]:
    """The sentence on what an arm's fine-tuning changed, where both were measured."""
    here = {'model': model, 'variant': 'full', 'language': MEAN, **key}
    accuracy = numbers.find(metric='difference_to_base', **here)
    gap = numbers.find(metric='gap_difference_to_base', **here)
    control = numbers.find(metric='gap_difference_to_english', **here)
    if accuracy is None or gap is None:
        return []
    words = (
        f'After the fine-tuning of the {model} arm, accuracy in the other languages'
        f' changed by {_change(accuracy)}, and the barrier by {_change(gap)}.'
        if accuracy['arm']
        else f'Compared with the base model, the accuracy of {model} in the other languages differs'
        f' by {_change(accuracy)}, and its barrier by {_change(gap)}.'
    )
    if control is not None:
        words += (
            ' Compared with the English arm, the control, the barrier differs by'
            f' {_change(control)}.'
        )
    return [words]


def _change(row: ResultRow) -> str:
    p = p_value(row['p_holm'])
    verdict = 'significant' if row['p_holm'] <= ALPHA else 'not significant: it could be chance'
    return (
        f'{points(row["value"])} points {interval(row, points)}'
        f' (p {p if p.startswith("<") else f"= {p}"} after Holm’s adjustment, {verdict})'
    )


def _named(row: ResultRow) -> str:
    """A row's model: the base, an arm, or one that was measured beside the base."""
    if row['model'] == 'base':
        return 'the base model'
    return f'the {row["model"]} arm' if row['arm'] else row['model']
