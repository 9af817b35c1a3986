"""The tokenizer of a GGUF file, built from its metadata as llama.cpp reads them.

`tokenizer.ggml.model` says which kind it is: 'gpt2' is byte-level byte-pair encoding with merges,
'llama' SentencePiece's with scores, 'gemma4' SentencePiece's with merges.
"""

import functools
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from absl import logging
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing

from xlbarrier.data import pieces
from xlbarrier.data.pieces import BYTE, CONTROL, SPACE, USER_DEFINED
from xlbarrier.data.pretokenizers import DEFAULT, RULES
from xlbarrier.datafiles.gguf_header import Value, part_files, read_header
from xlbarrier.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PREFIX = 'tokenizer.'
# Phi 3 takes the spaces after these into the token; the file does not say so, its name does.
PHI3, NOT_STRIPPED = ('phi-3', 'phi3'), ('<unk>', '<s>', '<|endoftext|>')
ENDS = ('eos', 'eot', 'eom')


@dataclass(frozen=True)
class _Built:
    """A tokenizer's core.

    Attributes:
      core: without its special tokens.
      adds_bos: whether texts begin with BOS where the file does not say.
      finds_spaces: whether the tokens that the model's makers defined are found after U+2581 has
        replaced spaces, or in the original text.
    """

    core: Tokenizer
    adds_bos: bool
    finds_spaces: bool = False


class _Fields:
    """The keys `tokenizer.*` of a file; what is not of the expected type is an error."""

    def __init__(self, path: pathlib.Path, metadata: Mapping[str, Value]):
        self.path = path
        self.metadata = metadata
        self.name = str(metadata.get('general.name', '')).lower()
        self.tokens = self.texts('ggml.tokens')
        self.kinds = [int(kind) for kind in self.numbers('ggml.token_type')]
        # The first id of a token that is there twice, as bytes that are no UTF-8 may come to be.
        self.ids = {token: i for i, token in reversed(list(enumerate(self.tokens)))}

    def text(self, key: str, default: str = '') -> str:
        return str(self.metadata.get(PREFIX + key, default))

    def texts(self, key: str) -> list[str]:
        value = self.metadata.get(PREFIX + key)
        if value is None:
            raise InputError(
                f'{self.path} has no tokenizer.{key}: it was written without'
                f' {"a tokenizer" if key == "ggml.tokens" else "them"};'
                ' model.tokenizer names another (a folder or a hub id)'
            )
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise InputError(f'{self.path}: tokenizer.{key} is no list of texts')
        return [str(each) for each in value]

    def numbers(self, key: str) -> list[float]:
        value = self.metadata.get(PREFIX + key)
        if not isinstance(value, list) or len(value) != len(self.tokens):
            said = 'has no' if value is None else f'has {_size(value)} entries in'
            raise InputError(
                f'{self.path} {said} tokenizer.{key}; expected one for each of'
                f' {len(self.tokens)} tokens'
            )
        if not all(isinstance(each, int | float) for each in value):
            raise InputError(f'{self.path}: tokenizer.{key} is no list of numbers')
        return [float(each) for each in value if isinstance(each, int | float)]

    def flag(self, key: str, default: bool) -> bool:
        return bool(self.metadata.get(PREFIX + key, default))

    def special(self, name: str) -> str | None:
        """The token that `tokenizer.ggml.NAME_token_id` is the id of."""
        number = self.metadata.get(f'{PREFIX}ggml.{name}_token_id')
        if number is None:
            return None
        if not isinstance(number, int) or not 0 <= number < len(self.tokens):
            raise InputError(
                f'{self.path}: tokenizer.ggml.{name}_token_id is {number!r}; expected the id of'
                f' one of {len(self.tokens)} tokens'
            )
        return self.tokens[number]

    def merges(self) -> list[tuple[str, str]]:
        # A token may begin with a space (Gemma 4's), so the space between the two is a later one.
        pairs = ((merge, merge.find(' ', 1)) for merge in self.texts('ggml.merges'))
        return [(merge[:cut], merge[cut + 1 :]) for merge, cut in pairs]


def load(path: pathlib.Path) -> 'PreTrainedTokenizerFast':
    """The tokenizer of a GGUF file; the same object for every caller while the file is unchanged.

    Raises:
      InputError: naming the file, and what is missing or unsupported in it.
    """
    path = part_files(path)[0]
    read_header(path)  # says what is wrong with the file
    found = path.stat()
    return _load(path.resolve(), found.st_size, found.st_mtime_ns)


def end_tokens(path: pathlib.Path) -> list[int]:
    """Ids of the tokens that end a text or a turn, by the file's metadata."""
    metadata = read_header(part_files(path)[0]).metadata
    ids = (metadata.get(f'{PREFIX}ggml.{name}_token_id') for name in ENDS)
    return list(dict.fromkeys(number for number in ids if isinstance(number, int)))


@functools.lru_cache(maxsize=4)
def _load(path: pathlib.Path, size: int, mtime: int) -> 'PreTrainedTokenizerFast':
    from transformers import PreTrainedTokenizerFast

    metadata = read_header(path).metadata
    kind = str(metadata.get(f'{PREFIX}ggml.model', ''))
    if kind not in KINDS:
        raise InputError(
            f'{path}: tokenizer.ggml.model is {kind!r}; supported: {", ".join(KINDS)}.'
            ' model.tokenizer names another tokenizer (a folder or a hub id)'
        )
    fields = _Fields(path, metadata)
    try:
        built = KINDS[kind](fields)
        _add_tokens(built, fields)
        _add_ends(built, fields)
        return PreTrainedTokenizerFast(
            tokenizer_object=built.core,
            bos_token=fields.special('bos'),
            eos_token=fields.special('eos'),
            unk_token=fields.special('unknown'),
            pad_token=fields.special('padding'),
            chat_template=fields.text('chat_template') or None,
            clean_up_tokenization_spaces=False,
        )
    except InputError:
        raise
    except Exception as error:  # the tokenizers library raises nothing more special
        raise InputError(f'{path}: no tokenizer can be built of its metadata: {error}') from error


def _byte_level(fields: _Fields) -> _Built:
    pre = fields.text('ggml.pre')
    rule = RULES.get(pre or 'default')
    if rule is None:
        raise InputError(
            f'{fields.path}: pre-tokenizer {pre!r} (tokenizer.ggml.pre) is not supported;'
            f' supported: {", ".join(sorted(RULES))}. model.tokenizer names another tokenizer'
            ' (a folder or a hub id)'
        )
    if rule is DEFAULT:
        logging.warning(
            '%s: the pre-tokenizer (tokenizer.ggml.pre) is %s: text is cut by the rule that'
            " llama.cpp has for such files, which need not be the model's own; use a newer"
            ' conversion, or name the tokenizer with model.tokenizer',
            fields.path,
            'missing' if not pre else f'{pre!r}',
        )
    core = Tokenizer(
        models.BPE(
            vocab=fields.ids,
            merges=fields.merges(),
            ignore_merges=rule.whole_words,
        )
    )
    if rule.normalizer() is not None:
        core.normalizer = rule.normalizer()
    core.pre_tokenizer = rule.pre_tokenizer()
    core.decoder = decoders.ByteLevel()
    return _Built(core, rule.adds_bos)


def _sentencepiece(fields: _Fields) -> _Built:
    vocabulary = pieces.Vocabulary(fields.tokens, fields.numbers('ggml.scores'), fields.kinds)
    prefix = fields.flag('ggml.add_space_prefix', True)
    return _Built(pieces.core(vocabulary, prefix=prefix), adds_bos=True, finds_spaces=not prefix)


def _gemma4(fields: _Fields) -> _Built:
    core = Tokenizer(
        models.BPE(
            vocab=fields.ids,
            merges=fields.merges(),
            unk_token=fields.special('unknown'),
            fuse_unk=True,
            byte_fallback=BYTE in fields.kinds,
        )
    )
    core.normalizer = normalizers.Replace(' ', SPACE)
    # No token goes on over the end of a line.
    core.pre_tokenizer = pre_tokenizers.Split(Regex('[^\\n]+|\\n+'), 'isolated')
    steps = [decoders.Replace(SPACE, ' '), decoders.ByteFallback(), decoders.Fuse()]
    core.decoder = decoders.Sequence(steps)
    return _Built(core, adds_bos=True, finds_spaces=True)


KINDS = {'gpt2': _byte_level, 'llama': _sentencepiece, 'gemma4': _gemma4}


def _add_tokens(built: _Built, fields: _Fields) -> None:
    """The tokens that are found in a text before anything else."""
    strips = any(name in fields.name for name in PHI3)
    built.core.add_tokens(
        [
            AddedToken(
                token,
                special=kind == CONTROL,
                # A run of spaces is found as such a run of U+2581, unless a text gets one in front.
                normalized=kind == USER_DEFINED and built.finds_spaces,
                rstrip=strips and kind == CONTROL and token not in NOT_STRIPPED,
            )
            for token, kind in zip(fields.tokens, fields.kinds, strict=True)
            if kind in (CONTROL, USER_DEFINED) and token
        ]
    )


def _add_ends(built: _Built, fields: _Fields) -> None:
    """BOS before and EOS after a text, where the file or llama.cpp's default says so."""
    bos, eos = fields.special('bos'), fields.special('eos')
    first = bos if fields.flag('ggml.add_bos_token', built.adds_bos) else None
    last = eos if fields.flag('ggml.add_eos_token', False) else None
    if first is None and last is None:
        return
    around: Sequence[str] = [
        ' '.join(each for each in (first, text, last) if each) for text in ('$A', '$A $B')
    ]
    ids = [(token, fields.ids[token]) for token in (first, last) if token]
    built.core.post_processor = TemplateProcessing(
        single=around[0], pair=around[1], special_tokens=ids
    )


def _size(value: Value) -> int:
    return len(value) if isinstance(value, list) else 1
