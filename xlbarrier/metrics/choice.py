"""Which option a model chose, under each normalisation of its log-likelihoods."""

from collections.abc import Sequence

import numpy as np

from xlbarrier.errors import InputError
from xlbarrier.metrics.stats import Values

NORMALISATIONS = ('raw', 'char', 'byte', 'token', 'pmi')


def predictions(
    scores: Values,
    choices: Sequence[str],
    *,
    tokens: Sequence[int] | None = None,
    unconditional: Values | None = None,
) -> dict[str, int]:
    """The index of the best option under each normalisation; the first of equals.

    Raw: sum of log p(option | context). Char: that over the option's Unicode code points. Byte:
    over its UTF-8 bytes (lm-evaluation-harness's acc_norm). Token: over its tokens. PMI: minus
    log p(option | the bare answer cue) (Holtzman et al. 2021, PMI-DC).

    Args:
      scores: log-likelihood of each option, nats.
      choices: the options' texts.
      tokens: tokens of each option; without them there is no 'token'.
      unconditional: log-likelihood after the answer cue; without it there is no 'pmi'.

    Raises:
      ValueError: when the lengths differ, an option is empty, or a score is not finite.
    """
    raw = np.asarray(scores, np.float64)
    for name, values in (
        ('choices', choices),
        ('tokens', tokens),
        ('unconditional', unconditional),
    ):
        if values is not None and len(values) != len(raw):
            raise InputError(f'{len(raw)} scores but {len(values)} {name}')
    if len(raw) == 0 or not np.isfinite(raw).all():
        raise InputError(f'scores are {list(scores)}; expected at least one, all finite')
    if not all(choices):
        raise InputError(f'an option is empty: {list(choices)}')
    read = {
        'raw': raw,
        'char': raw / [len(choice) for choice in choices],
        'byte': raw / [len(choice.encode()) for choice in choices],
    }
    if tokens is not None:
        read['token'] = raw / np.asarray(tokens)
    if unconditional is not None:
        read['pmi'] = raw - np.asarray(unconditional, np.float64)
    return {name: int(values.argmax()) for name, values in read.items()}
