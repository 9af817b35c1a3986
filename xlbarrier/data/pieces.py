"""A fast tokenizer of a SentencePiece file, where the model's own is code in its folder.

Baichuan's is: its repository has tokenizer.model and a Python class, which is never run.
"""

import pathlib
from collections.abc import Iterator

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers
from transformers import PreTrainedTokenizerFast

from xlbarrier import datafiles
from xlbarrier.errors import InputError

CLASSES = ('BaichuanTokenizer',)  # of tokenizer_config.json: plain SentencePiece, by their code
MODEL, CONFIG = 'tokenizer.model', 'tokenizer_config.json'
SPACE = '▁'
# What the built tokenizer must cut as the file itself does: scripts, spaces, bytes, digits.
PROBES = (
    'In which country is Paris?\nAnswer: France',
    '  two  spaces, 12345 and\ttabs \n\n',
    '柏林位于哪个国家？\n答案：德国',
    'Где находится Ломе? أين تقع لومي؟ दिल्ली किस देश में है? Ḻomé 🇹🇬',
)


def is_wanted(folder: pathlib.Path) -> bool:
    """Whether the folder has such a tokenizer, and none that tokenizers could read."""
    if (folder / 'tokenizer.json').exists() or not (folder / MODEL).exists():
        return False
    return _fields(folder).get('tokenizer_class') in CLASSES


def read(folder: pathlib.Path) -> PreTrainedTokenizerFast:
    """The tokenizer of tokenizer.model, with the special tokens of tokenizer_config.json.

    Raises:
      ValueError: naming the file, when the tokenizers library cannot cut text as it does.
    """
    path = folder / MODEL
    try:
        import sentencepiece
    except ImportError as error:
        raise InputError(f'{path} needs the package sentencepiece: pip install it') from error
    try:
        pieces = sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (OSError, RuntimeError) as error:
        raise InputError(f'{path} is not a SentencePiece model: {error}') from error
    for prefix in (False, True):  # whether a text begins with a space of its own
        core = _core(pieces, prefix)
        marks = (f'a {mark} b{mark}c' for mark in _kept_whole(pieces)[:200])
        if all(core.encode(text).ids == pieces.encode(text) for text in (*PROBES, *marks)):
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
    core.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in named.values()])
    return PreTrainedTokenizerFast(tokenizer_object=core, **named)


def _core(pieces, prefix: bool) -> Tokenizer:
    vocabulary = {pieces.id_to_piece(i): i for i in range(len(pieces))}
    core = Tokenizer(
        models.BPE(
            vocab=vocabulary,
            merges=[pair for _, _, pair in sorted(_merges(pieces))],
            unk_token=pieces.id_to_piece(pieces.unk_id()),
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    spaces = normalizers.Replace(' ', SPACE)
    core.normalizer = (
        normalizers.Sequence([normalizers.Prepend(SPACE), spaces]) if prefix else spaces
    )
    steps = [decoders.Replace(SPACE, ' '), decoders.ByteFallback(), decoders.Fuse()]
    core.decoder = decoders.Sequence(steps + ([decoders.Strip(' ', 1, 0)] if prefix else []))
    core.add_tokens([AddedToken(mark, normalized=False) for mark in _kept_whole(pieces)])
    return core


def _merges(pieces) -> Iterator[tuple[float, tuple[int, int], tuple[str, str]]]:
    """(minus the score, places of the parts, parts) of every piece that two others make."""
    vocabulary = {pieces.id_to_piece(i): i for i in _normal(pieces)}
    for piece, i in vocabulary.items():
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in vocabulary and right in vocabulary:
                yield -pieces.get_score(i), (vocabulary[left], vocabulary[right]), (left, right)


def _kept_whole(pieces) -> list[str]:
    """The pieces of several letters that no merge makes: those that the model's makers defined."""
    made = {left + right for _, _, (left, right) in _merges(pieces)}
    return [p for p in map(pieces.id_to_piece, _normal(pieces)) if len(p) > 1 and p not in made]


def _normal(pieces) -> list[int]:
    return [
        i
        for i in range(len(pieces))
        if not (pieces.is_control(i) or pieces.is_byte(i) or pieces.is_unknown(i))
    ]


def _fields(folder: pathlib.Path) -> dict:
    path = folder / CONFIG
    return datafiles.read_object(path) if path.exists() else {}
