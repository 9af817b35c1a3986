"""Tokenizers, and the boundary between a context and its continuation."""

import functools
import pathlib
from collections.abc import Iterable
from typing import Any

from gguf import GGUFReader
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

# How llama.cpp names the way text is cut before byte-pair encoding (`tokenizer.ggml.pre`).
_BYTE_LEVEL = functools.partial(pre_tokenizers.ByteLevel, add_prefix_space=False, use_regex=True)
PRE_TOKENIZERS = {
    'gpt-2': _BYTE_LEVEL,
    'smollm': lambda: pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), _BYTE_LEVEL()]
    ),
}
CONTROL, USER_DEFINED = 3, 4  # gguf token types


def load_tokenizer(path: str | pathlib.Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a Hugging Face folder or of a GGUF file; torch is not needed for either.

    Raises:
      ValueError: naming the path and what is missing or unsupported.
    """
    path = pathlib.Path(path)
    if path.suffix == '.gguf':
        return _from_gguf(path)
    if not (path / 'tokenizer.json').exists() and not (path / 'tokenizer_config.json').exists():
        raise ValueError(f'{path} has no tokenizer.json or tokenizer_config.json')
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, use_fast=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f'{path}: the tokenizer cannot be loaded: {error}') from error
    if not tokenizer.is_fast:
        raise ValueError(f'{path}: no fast tokenizer; save one with tokenizer.json')
    return tokenizer


def encode_pair(
    tokenizer: PreTrainedTokenizerFast, context: str, continuation: str
) -> tuple[list[int], list[int]]:
    """Token ids of a context and of what follows it, split on the whole string.

    As lm-evaluation-harness does (`TemplateLM._encode_pair`): trailing white space of the context
    belongs to the continuation, the two are tokenised as one string, and the context's own number
    of tokens says where the continuation starts. Special tokens (BOS) are added once, by the
    tokenizer's own policy.

    Returns:
      (context ids, continuation ids); together they are the ids of the whole string.

    Raises:
      ValueError: for a continuation that is empty or gives no token of its own, or a context that
        gives no token for it to be predicted from.
    """
    if not continuation:
        raise ValueError(f'the continuation of {context[-40:]!r} is empty')
    spaces = len(context) - len(context.rstrip())
    if spaces:
        continuation = context[-spaces:] + continuation
        context = context[:-spaces]
    whole = _ids(tokenizer, context + continuation)
    cut = len(_ids(tokenizer, context))
    if cut == 0:
        raise ValueError(
            f'the context of {continuation[:40]!r} has no token and this tokenizer adds no BOS,'
            ' so its first token cannot be predicted; give a context'
        )
    if cut >= len(whole):
        raise ValueError(f'{continuation[:40]!r} gives no token after {context[-40:]!r}')
    return whole[:cut], whole[cut:]


def encode_documents(
    tokenizer: PreTrainedTokenizerFast, texts: Iterable[str], batch: int = 1000
) -> list[list[int]]:
    """Token ids of whole documents: BOS by the tokenizer's policy, EOS at the end if it has one."""
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    texts = list(texts)
    encoded = []
    for start in range(0, len(texts), batch):
        for ids in tokenizer(texts[start : start + batch])['input_ids']:
            # Some tokenizers add EOS themselves.
            encoded.append(ids if ids[-1:] == end else ids + end)
    return encoded


def bos_policy(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """What the tokenizer adds to a plain text by itself, for the record."""
    plain = tokenizer('a', add_special_tokens=False)['input_ids']
    ids = tokenizer('a')['input_ids']
    start = len(ids) - len(plain)
    return {
        'vocabulary': len(tokenizer),
        'bos_token': tokenizer.bos_token,
        'eos_token': tokenizer.eos_token,
        'adds_bos': tokenizer.bos_token_id is not None and ids[:1] == [tokenizer.bos_token_id],
        'adds': tokenizer.convert_ids_to_tokens(ids[:start]) if start else [],
    }


def _ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    return tokenizer(text)['input_ids']


@functools.cache
def _from_gguf(path: pathlib.Path) -> PreTrainedTokenizerFast:
    try:
        fields = GGUFReader(path).fields
    except (ValueError, IndexError, OSError, UnicodeDecodeError, KeyError) as error:
        raise ValueError(f'{path} is not a whole GGUF file ({error!r}); fetch it anew') from error

    def value(key: str, default: Any = None) -> Any:
        field = fields.get(f'tokenizer.{key}')
        return default if field is None else field.contents()

    kind, pre = value('ggml.model'), value('ggml.pre', 'gpt-2')
    if kind != 'gpt2' or pre not in PRE_TOKENIZERS:
        raise ValueError(
            f'{path}: tokenizer {kind!r} with pre-tokenizer {pre!r} is not supported;'
            f" wanted 'gpt2' with one of {sorted(PRE_TOKENIZERS)}, or a Hugging Face folder"
        )
    tokens, types = value('ggml.tokens'), value('ggml.token_type')
    merges = [tuple(merge.split(' ', 1)) for merge in value('ggml.merges')]
    core = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    core.pre_tokenizer = PRE_TOKENIZERS[pre]()
    core.decoder = decoders.ByteLevel()
    added = [(i, t) for i, t in enumerate(tokens) if types[i] in (CONTROL, USER_DEFINED)]
    core.add_tokens(
        [AddedToken(t, special=types[i] == CONTROL, normalized=False) for i, t in added]
    )

    def special(name: str) -> str | None:
        number = value(f'ggml.{name}_token_id')
        return None if number is None else tokens[number]

    bos = special('bos')
    if value('ggml.add_bos_token', False) and bos is not None:
        from tokenizers.processors import TemplateProcessing

        core.post_processor = TemplateProcessing(
            single=f'{bos} $A', pair=f'{bos} $A $B', special_tokens=[(bos, tokens.index(bos))]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=bos,
        eos_token=special('eos'),
        unk_token=special('unknown'),
        pad_token=special('padding'),
        chat_template=value('chat_template'),
        clean_up_tokenization_spaces=False,
    )
