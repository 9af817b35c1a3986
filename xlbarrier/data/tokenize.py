"""Tokenizers, and the boundary between a context and its continuation."""

import hashlib
import json
import pathlib
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import logging
from tokenizers import Tokenizer

from xlbarrier.data import gguf_tokenizer, incremental, pieces
from xlbarrier.errors import InputError

# transformers takes seconds to import, and torch with it where that is installed: it waits until a
# tokenizer is loaded, so that an error in the questions does not.
if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast
else:
    PreTrainedTokenizerFast = Any

_TEXTS: 'weakref.WeakKeyDictionary[Any, incremental.Texts]' = weakref.WeakKeyDictionary()
# Attributes of a tokenizer that name a special token.
NAMED = tuple(f'{name}_token' for name in ('bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask'))


def load_tokenizer(
    path: str | pathlib.Path, vocab_size: int | None = None
) -> PreTrainedTokenizerFast:
    """The tokenizer of a Hugging Face folder or of a GGUF file; torch is not needed for either.

    A GGUF file's tokenizer is built from its metadata as in llama.cpp, including the pre-tokenizer
    that it names ('smollm': each digit by itself), which transformers ignores. Ids can therefore
    differ from `AutoTokenizer(gguf_file=)` in a run of spaces before a digit and in numerals such
    as ² or Ⅷ. All callers who name the same file get the same object: do not change it.

    Args:
      path: folder or file.
      vocab_size: rows of the model's embedding, which the tokenizer must fit; None: not checked.

    Raises:
      ValueError: naming the path and what is missing or unsupported.
    """
    path = pathlib.Path(path)
    tokenizer = gguf_tokenizer.load(path) if path.suffix == '.gguf' else _from_folder(path)
    if vocab_size is not None and len(tokenizer) > vocab_size:
        _check_surplus(tokenizer, vocab_size, path)
    return tokenizer


def _check_surplus(tokenizer: PreTrainedTokenizerFast, vocab_size: int, path: pathlib.Path) -> None:
    # Published checkpoints have special tokens beyond their embedding that no text contains:
    # Llama 2's <pad>, and Gemma 3 1B's image token.
    surplus = sorted(i for i in tokenizer.get_vocab().values() if i >= vocab_size)
    added = tokenizer.added_tokens_decoder
    used = {tokenizer.bos_token_id, tokenizer.eos_token_id}
    if any(i in used or i not in added or not added[i].special for i in surplus):
        raise InputError(
            f'{path}: the tokenizer has {len(tokenizer)} tokens, the embedding {vocab_size} rows:'
            ' they are not of the same model'
        )
    logging.warning(
        '%s: special tokens without a row in the embedding: %s',
        path,
        ', '.join(str(added[i]) for i in surplus),
    )


def _from_folder(path: pathlib.Path) -> PreTrainedTokenizerFast:
    if not (path / 'tokenizer.json').exists() and not (path / 'tokenizer_config.json').exists():
        raise InputError(f'{path} has no tokenizer.json or tokenizer_config.json')
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    if pieces.is_wanted(path):
        return pieces.read(path)
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, use_fast=True, trust_remote_code=False)
    except Exception as error:  # the library raises no narrower class
        reason = ' '.join(str(error).split()[:60])
        raise InputError(f'{path}: the tokenizer cannot be loaded: {reason}') from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise InputError(f'{path}: no fast tokenizer; save one with tokenizer.json')
    for how in ('is_local', 'local_files_only'):  # how it was loaded: not to be saved with it
        tokenizer.init_kwargs.pop(how, None)
    if (path / 'tokenizer.json').exists():
        return _as_in_file(tokenizer, path / 'tokenizer.json')
    return tokenizer


def _as_in_file(tokenizer: PreTrainedTokenizerFast, path: pathlib.Path) -> PreTrainedTokenizerFast:
    """The tokenizer with the ids of tokenizer.json.

    transformers rebuilds some tokenizers by the name of their class, which need not be that of the
    model, with a different normaliser or pre-tokenizer from the file's. Special tokens, the chat
    template and the additions of tokenizer_config.json are kept.
    """
    from transformers import PreTrainedTokenizerFast

    file = _read_core(path)
    built = json.loads(tokenizer.backend_tokenizer.to_str())
    if _rules(built) == _rules(json.loads(file.to_str())):
        return tokenizer
    logging.info(
        '%s: the ids of this file are kept; transformers would build a %s with other rules',
        path,
        type(tokenizer).__name__,
    )
    known = file.get_vocab(with_added_tokens=True)
    more = sorted(tokenizer.added_tokens_decoder.items())
    file.add_tokens([token for _, token in more if token.content not in known])
    named = {name: getattr(tokenizer, name) for name in NAMED if getattr(tokenizer, name)}
    fresh = PreTrainedTokenizerFast(
        tokenizer_object=file,
        chat_template=tokenizer.chat_template,
        clean_up_tokenization_spaces=False,
        model_max_length=tokenizer.model_max_length,
        **named,
    )
    expected = _read_core(path)
    fresh.backend_tokenizer.post_processor = expected.post_processor
    for text in pieces.PROBES:
        if fresh(text)['input_ids'] != expected.encode(text).ids:
            raise InputError(
                f'{path}: transformers does not give the ids of this file; save the tokenizer with'
                ' tokenizer_class PreTrainedTokenizerFast'
            )
    return fresh


def _read_core(path: pathlib.Path) -> Tokenizer:
    try:
        core = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no narrower class
        raise InputError(f'{path}: the tokenizer cannot be loaded: {error}') from error
    core.no_truncation()
    core.no_padding()
    return core


def _rules(raw: dict[str, Any]) -> list[Any]:
    """The parts that determine the ids of plain text."""
    added = sorted((token['content'], token['id']) for token in raw['added_tokens'])
    model = {k: v for k, v in raw['model'].items() if v}
    return [raw['normalizer'], raw['pre_tokenizer'], raw['post_processor'], model, added]


def encode_pair(
    tokenizer: PreTrainedTokenizerFast, context: str, continuation: str
) -> tuple[list[int], list[int]]:
    """Token ids of a context and of its continuation, split on the whole string.

    As lm-evaluation-harness does (`TemplateLM._encode_pair`): trailing white space of the context
    belongs to the continuation, the two are tokenised as one string, and the number of
    tokens of the context by itself determines where the continuation starts. If a merge joins the
    context's last letters with the continuation's first, the harness uses the ids of the context by
    itself, which together with the continuation are not the ids of the text; here the context's ids
    are those of the whole string. The continuation's ids are the same in both. BOS comes once, if
    the tokenizer's policy adds it.

    Returns:
      (context ids, continuation ids); together they are the ids of the whole string.

    Raises:
      InputError: for a continuation that is empty or has no token of its own, or a context
        without a token to predict it from.
    """
    context, continuation = _spaces_moved(context, continuation)
    start, _ = _added(tokenizer)
    known = _known(tokenizer, context)
    ids = incremental.continued_ids(_core(tokenizer), known, context + continuation)
    whole = _with_start(start, ids)
    return _cut(whole, len(_with_start(start, known.ids)), context, continuation)


def encode_options(
    tokenizer: PreTrainedTokenizerFast, context: str, continuations: Sequence[str]
) -> list[tuple[list[int], list[int]]]:
    """`encode_pair` of each continuation of a context, all split at the same position.

    Qwen's and Llama 3's tokenizers merge ':A' into one token, so that after 'Answer:' no token is
    left for the letter, and only the end of an option such as ':In' + 'donesia'. Here all
    continuations begin at the first position where any of them differs from the context's own
    tokens. They follow the same ids, which contain no part of them, so their log-likelihoods can be
    compared. If no merge crosses the boundary, these are the pairs of `encode_pair`.

    Raises:
      InputError: as `encode_pair`.
    """
    start, _ = _added(tokenizer)
    pairs = [_spaces_moved(context, each) for each in continuations]
    core = _core(tokenizer)
    known = _known(tokenizer, context.rstrip())
    alone = _with_start(start, known.ids)
    wholes = [_with_start(start, incremental.continued_ids(core, known, a + b)) for a, b in pairs]
    cut = min(incremental.common_length(alone, whole) for whole in wholes)
    return [_cut(whole, cut, *pair) for whole, pair in zip(wholes, pairs, strict=True)]


def _spaces_moved(context: str, continuation: str) -> tuple[str, str]:
    """White space at the end of the context belongs to the continuation."""
    if not continuation:
        raise InputError(f'the continuation of {context[-40:]!r} is empty')
    bare = context.rstrip()
    return bare, context[len(bare) :] + continuation


def _cut(
    whole: list[int], cut: int, context: str, continuation: str
) -> tuple[list[int], list[int]]:
    if cut == 0:
        raise InputError(
            f'the context of {continuation[:40]!r} has no token and this tokenizer adds no BOS,'
            ' so its first token cannot be predicted; add a context'
        )
    if cut >= len(whole):
        raise InputError(f'{continuation[:40]!r} has no token after {context[-40:]!r}')
    return whole[:cut], whole[cut:]


def encode_prompt(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """Token ids of a text that a model continues: BOS once, by the tokenizer's policy; no EOS."""
    return _with_start(_added(tokenizer)[0], _known(tokenizer, text).ids)


def encode_plain(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """Token ids of a text alone, without those that the tokenizer adds to every text."""
    return _plain(tokenizer, text)


def encode_documents(
    tokenizer: PreTrainedTokenizerFast, texts: Iterable[str], batch: int = 1000
) -> list[list[int]]:
    """Token ids of whole documents: BOS by the tokenizer's policy, EOS at the end if it has one."""
    return [ids for some in encode_stream(tokenizer, texts, batch) for ids in some]


def encode_stream(
    tokenizer: PreTrainedTokenizerFast, texts: Iterable[str], batch: int = 1000
) -> Iterator[list[list[int]]]:
    """`encode_documents` of a stream, `batch` documents at a time, fewer if they are long.

    The tokenizer library splits a batch over its threads (RAYON_NUM_THREADS,
    TOKENIZERS_PARALLELISM).
    """
    core, (start, _) = _core(tokenizer), _added(tokenizer)
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    for some in batches(texts, len, batch):
        encoded = []
        for encoding in core.encode_batch_fast(some, add_special_tokens=False):
            ids = _with_start(start, encoding.ids)
            encoded.append(ids if ids[-1:] == end else ids + end)
        yield encoded


def lengths(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> list[int]:
    """Number of tokens of each text, without those that the tokenizer adds to every text."""
    encoded = _core(tokenizer).encode_batch_fast(list(texts), add_special_tokens=False)
    return [len(encoding.ids) for encoding in encoded]


def encode_spans(
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    spans: Sequence[Sequence[tuple[int, int]]],
    ends: Sequence[bool],
) -> list[tuple[list[int], list[float]]]:
    """Token ids of texts, and which of them are to be predicted: those in given spans.

    A text is tokenised as one string, so that merges are those of running text. A token counts as
    in a span if it covers any character of it, such as a token of a space before the answer and
    the answer's first word. If the span starts after a space, this is the boundary of
    `encode_pair`, except that white space that is a separate token belongs to the context here.

    Args:
      tokenizer: BOS comes once, if its policy adds it, and is never predicted.
      texts: B texts.
      spans: of each text, (start, end) in characters.
      ends: of each text, whether EOS follows, which is then predicted; if the text already ends
        with EOS, none is added.

    Returns:
      B pairs of ids and weights, 1.0 for a token to be predicted and 0.0 for others.
    """
    core, (start, _) = _core(tokenizer), _added(tokenizer)
    eos = tokenizer.eos_token_id
    encoded: list[tuple[list[int], list[float]]] = []
    found = core.encode_batch(list(texts), add_special_tokens=False)
    for encoding, of_text, end in zip(found, spans, ends, strict=True):
        ids, predicted = encoding.ids, np.zeros(len(encoding.ids), np.float32)
        offsets = np.array(encoding.offsets, np.int64).reshape(-1, 2)
        # White space can have offsets without width, at its end.
        first = offsets[:, 0] - (offsets[:, 0] == offsets[:, 1])
        for low, high in of_text:
            predicted[(offsets[:, 1] > low) & (first < high)] = 1
        whole = _with_start(start, ids)
        weights: list[float] = [0.0] * (len(whole) - len(ids)) + predicted.tolist()
        if end and eos is not None:
            if whole[-1:] == [eos]:
                weights[-1] = 1.0
            else:
                whole, weights = [*whole, eos], [*weights, 1.0]
        encoded.append((whole, weights))
    return encoded


def encode_located(
    tokenizer: PreTrainedTokenizerFast, text: str
) -> tuple[list[int], list[tuple[int, int]], int]:
    """Token ids of a text, and the characters that each one covers.

    Returns:
      The ids, including those that the tokenizer adds before a text; (start, end) in the text of
      each of the text's own ids; and the number of ids before them. Tokens that are bytes of one
      character have the offsets of that character.

    Raises:
      InputError: for a text without a token.
    """
    start, _ = _added(tokenizer)
    encoding = _core(tokenizer).encode(text, add_special_tokens=False)
    if not encoding.ids:
        raise InputError(f'{text[:40]!r} has no token')
    return start + encoding.ids, list(encoding.offsets), len(start)


def batches(
    items: Iterable[Any], size: Callable[[Any], int], most: int, characters: int = 1 << 20
) -> Iterator[list[Any]]:
    """Items in lists of at most `most` items, closed at `characters` by `size`."""
    some: list[Any] = []
    length = 0
    for item in items:
        some.append(item)
        length += size(item)
        if len(some) >= most or length >= characters:
            yield some
            some, length = [], 0
    if some:
        yield some


def digest(tokenizer: PreTrainedTokenizerFast) -> str:
    """SHA-256 (hex) of what determines the ids of a text: vocabulary, merges, added tokens."""
    parts = (tokenizer.backend_tokenizer.to_str(), tokenizer.eos_token, tokenizer.chat_template)
    return hashlib.sha256(json.dumps([*parts, _added(tokenizer)]).encode()).hexdigest()


def bos_policy(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """The tokens that the tokenizer adds to a plain text, for the record."""
    start, end = _added(tokenizer)
    return {
        'vocabulary': len(tokenizer),
        'bos_token': tokenizer.bos_token,
        'eos_token': tokenizer.eos_token,
        'adds_bos': tokenizer.bos_token_id is not None and start == [tokenizer.bos_token_id],
        'adds_before': tokenizer.convert_ids_to_tokens(start),
        'adds_after': tokenizer.convert_ids_to_tokens(end),
    }


def _plain(tokenizer: PreTrainedTokenizerFast, text: str | list[str]) -> list:
    # verbose=False: a text longer than the model's window is cut into rows later, not here.
    return tokenizer(text, add_special_tokens=False, verbose=False)['input_ids']


def _known(tokenizer: PreTrainedTokenizerFast, text: str) -> incremental.Tokenised:
    """A text without the tokens that are added to every text, from what was tokenised before it."""
    return _TEXTS.setdefault(tokenizer, incremental.Texts())(_core(tokenizer), text)


def _added(tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[int]]:
    """Ids that the tokenizer adds before and after a text."""
    if not tokenizer.num_special_tokens_to_add(pair=False):
        return [], []
    plain, ids = _plain(tokenizer, 'a'), tokenizer('a')['input_ids']
    for start in range(len(ids) - len(plain) + 1):
        if ids[start : start + len(plain)] == plain:
            return ids[:start], ids[start + len(plain) :]
    raise InputError(f'this tokenizer makes {ids} of "a" and {plain} without special tokens')


def _core(tokenizer: PreTrainedTokenizerFast) -> Tokenizer:
    """The library's tokenizer, set as transformers sets it for a plain call."""
    core = tokenizer.backend_tokenizer
    if core.truncation is not None:
        core.no_truncation()
    if core.padding is not None:
        core.no_padding()
    if core.encode_special_tokens != tokenizer.split_special_tokens:
        core.encode_special_tokens = tokenizer.split_special_tokens
    return core


def _with_start(start: list[int], ids: list[int]) -> list[int]:
    # A rendered chat template already begins with BOS.
    return ids if ids and ids[:1] == start else start + ids
