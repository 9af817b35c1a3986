"""A fast tokenizer of a SentencePiece file, where the model's own is code in its folder.

Baichuan's is: its repository has tokenizer.model and a Python class, which is never run.
"""

import functools
import pathlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

from xlbarrier import datafiles
from xlbarrier.errors import InputError

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor
    from transformers import PreTrainedTokenizerFast

CLASSES = ('BaichuanTokenizer',)  # of tokenizer_config.json: plain SentencePiece, by their code
MODEL, CONFIG = 'tokenizer.model', 'tokenizer_config.json'
SPACE = '▁'
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6  # types of a piece
MERGED = (NORMAL, UNUSED)
# What the built tokenizer must cut as the file itself does: scripts, spaces, bytes, digits.
PROBES = (
    'In which country is Paris?\nAnswer: France',
    '  two  spaces, 12345 and\ttabs \n\n',
    '柏林位于哪个国家？\n答案：德国',
    'Где находится Ломе? أين تقع لومي؟ दिल्ली किस देश में है? Ḻomé 🇹🇬',
)


@dataclass(frozen=True)
class Vocabulary:
    """A SentencePiece vocabulary; the three lists have one entry for each id.

    Attributes:
      tokens: the pieces, with U+2581 for a space.
      scores: of each piece; the higher is merged first.
      kinds: SentencePiece's numbers of types, which GGUF files have too.
    """

    tokens: list[str]
    scores: list[float]
    kinds: list[int]

    @functools.cached_property
    def ids(self) -> dict[str, int]:
        """Piece -> id, of the first where a piece is there twice."""
        return {token: i for i, token in reversed(list(enumerate(self.tokens)))}


def is_wanted(folder: pathlib.Path) -> bool:
    """Whether the folder has such a tokenizer, and none that tokenizers could read."""
    if (folder / 'tokenizer.json').exists() or not (folder / MODEL).exists():
        return False
    return _fields(folder).get('tokenizer_class') in CLASSES


def read(folder: pathlib.Path) -> 'PreTrainedTokenizerFast':
    """The tokenizer of tokenizer.model, with the special tokens of tokenizer_config.json.

    Raises:
      ValueError: naming the file, when the tokenizers library cannot cut text as it does.
    """
    from transformers import PreTrainedTokenizerFast

    path = folder / MODEL
    try:
        import sentencepiece
    except ImportError as error:
        raise InputError(f'{path} needs the package sentencepiece: pip install it') from error
    try:
        pieces = sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (OSError, RuntimeError) as error:
        raise InputError(f'{path} is not a SentencePiece model: {error}') from error
    vocabulary = _vocabulary_of(pieces)
    kept = _kept_whole(vocabulary)
    for prefix in (False, True):  # whether a text begins with a space of its own
        made = core(vocabulary, prefix=prefix, kept=kept)
        marks = (f'a {mark} b{mark}c' for mark in kept[:200])
        if all(made.encode(text).ids == pieces.encode(text) for text in (*PROBES, *marks)):
            break
    else:
        raise InputError(
            f'{path}: the tokenizers library does not cut text as this SentencePiece model does;'
            ' save the tokenizer with a tokenizer.json'
        )
    fields = _fields(folder)
    named = {}
    for role in ('bos', 'eos', 'unk', 'pad'):
        token = fields.get(f'{role}_token')
        token = token.get('content') if isinstance(token, dict) else token
        if token is not None and pieces.id_to_piece(pieces.piece_to_id(token)) == token:
            named[f'{role}_token'] = token
    made.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in named.values()])
    return PreTrainedTokenizerFast(tokenizer_object=made, **named)


def _vocabulary_of(pieces: 'SentencePieceProcessor') -> Vocabulary:
    def kind(i: int) -> int:
        if pieces.is_unknown(i):
            return UNKNOWN
        if pieces.is_control(i):
            return CONTROL
        return BYTE if pieces.is_byte(i) else NORMAL

    every = range(len(pieces))
    return Vocabulary(
        [pieces.id_to_piece(i) for i in every],
        [pieces.get_score(i) for i in every],
        [kind(i) for i in every],
    )


def core(vocabulary: Vocabulary, *, prefix: bool, kept: Sequence[str] = ()) -> Tokenizer:
    """A byte-pair encoder that cuts text as SentencePiece's BPE does.

    SentencePiece merges the two neighbours whose joined piece has the highest score, wherever a
    piece can be cut into two; so every such cut is a merge here, in the order of the scores
    (ties by the parts' ids, as transformers' converter orders them).

    Args:
      vocabulary: of the model.
      prefix: whether a space is put before a text, and before what follows a token of `kept`.
      kept: pieces that are found in the text before anything else is merged.

    Raises:
      InputError: for a vocabulary that has neither all 256 bytes nor an unknown token.
    """
    tokens, kinds = vocabulary.tokens, vocabulary.kinds
    unknown = next((t for t, kind in zip(tokens, kinds, strict=True) if kind == UNKNOWN), None)
    bytewise = all(f'<0x{i:02X}>' in vocabulary.ids for i in range(256))
    if unknown is None and not bytewise:
        raise InputError('the vocabulary has no unknown token, and not all 256 bytes')
    made = Tokenizer(
        models.BPE(
            vocab=vocabulary.ids,
            merges=[parts for _, _, parts in sorted(_merges(vocabulary))],
            unk_token=unknown,
            fuse_unk=True,
            byte_fallback=bytewise,
        )
    )
    spaces = normalizers.Replace(' ', SPACE)
    made.normalizer = (
        normalizers.Sequence([normalizers.Prepend(SPACE), spaces]) if prefix else spaces
    )
    steps: list[decoders.Decoder] = [
        decoders.Replace(SPACE, ' '),
        decoders.ByteFallback(),
        decoders.Fuse(),
    ]
    made.decoder = decoders.Sequence(steps + ([decoders.Strip(' ', 1, 0)] if prefix else []))
    made.add_tokens([AddedToken(piece, normalized=False) for piece in kept])
    return made


def _merges(
    vocabulary: Vocabulary,
) -> Iterator[tuple[float, tuple[int, int], tuple[str, str]]]:
    """(minus the score, ids of the parts, parts) of every piece that two others make."""
    normal = {piece: i for piece, i in vocabulary.ids.items() if vocabulary.kinds[i] in MERGED}
    for piece, i in normal.items():
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in normal and right in normal:
                yield -vocabulary.scores[i], (normal[left], normal[right]), (left, right)


def _kept_whole(vocabulary: Vocabulary) -> list[str]:
    """The pieces of several letters that no merge makes: those that the model's makers defined."""
    made = {left + right for _, _, (left, right) in _merges(vocabulary)}
    return [
        piece
        for piece, i in vocabulary.ids.items()
        if vocabulary.kinds[i] in MERGED and len(piece) > 1 and piece not in made
    ]


def _fields(folder: pathlib.Path) -> dict:
    path = folder / CONFIG
    return datafiles.read_object(path) if path.exists() else {}
