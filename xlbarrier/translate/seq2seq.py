"""Encoder-decoder models through CTranslate2: NLLB, M2M-100, and Marian's (OPUS-MT).

A folder is what one of CTranslate2's converters wrote, with the SentencePiece models of the
original beside it: `source.spm` and `target.spm`, or one for both, such as
`sentencepiece.bpe.model`. Which family it is, its vocabulary says: NLLB's languages are tokens such
as 'deu_Latn', M2M-100's '__de__', and '>>deu<<' those of a Marian model with several targets.
Generation is deterministic: beam search or greedy, never sampled.
"""

import hashlib
import pathlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xlbarrier import datafiles
from xlbarrier.translate import codes, places
from xlbarrier.translate.protocol import Failed, TranslatorError, digest, unsupported

MODEL = 'model.bin'
END = '</s>'
_SHARED_PIECES = ('sentencepiece.bpe.model', 'sentencepiece.model', 'spm.128k.model', 'spm.model')
_FAMILIES = {  # the tokens that are languages
    'nllb': re.compile(r'([a-z]{3}_[A-Z][a-z]{3})'),
    'm2m100': re.compile(r'__([a-z]{2,3}(?:_[A-Za-z]+)?)__'),
    'marian': re.compile(r'>>([A-Za-z_-]+)<<'),
}


@dataclass(frozen=True)
class _Folder:
    """A converted model on disk.

    Attributes:
      path: of the folder.
      family: 'nllb', 'm2m100' or 'marian'.
      tokens: of the languages, by plain code; of a Marian model, of its targets only.
      pieces: SentencePiece models of the source and of the target.
      ends: whether the end of the source has to be written.
    """

    path: pathlib.Path
    family: str
    tokens: Mapping[str, str]
    pieces: tuple[pathlib.Path, pathlib.Path]
    ends: bool


class Seq2SeqTranslator:
    """Models that CTranslate2 runs; see `Translator`."""

    def __init__(
        self,
        place: str,
        beam: int = 4,
        batch_tokens: int = 2048,
        max_tokens: int = 512,
        device: str = 'auto',
        compute_type: str = 'default',
    ):
        """Finds the models; each is loaded when it is first asked for.

        Args:
          place: the folder; with {source} and {target} where each pair of languages has its own
            ({source} alone: a model with several targets).
          beam: width of the search; 1: greedy.
          batch_tokens: tokens of the texts that are translated at once, padding among them.
          max_tokens: of a text and of its translation; longer ones fail, they are not cut.
          device: 'auto', 'cpu' or 'cuda'.
          compute_type: CTranslate2's, such as 'int8' or 'float32'; 'default': as converted.

        Raises:
          TranslatorError: when CTranslate2 is not installed, or for folders without a model.
        """
        self._libraries = _libraries()
        self._options = {
            'beam_size': beam,
            'max_batch_size': batch_tokens,
            'batch_type': 'tokens',
            'max_input_length': 0,
        }
        self._max_tokens = max_tokens
        self._device, self._compute_type = device, compute_type
        self._place = place
        self._models = _find(place)
        parts = [f'seq2seq 1 beam={beam} max={max_tokens} {compute_type}']
        for key, folder in self._models.items():
            parts += [*map(codes.canonical, key), folder.family, *map(_digest_of, _files(folder))]
        self.fingerprint = digest(*parts)
        self._running: dict[pathlib.Path, _Running] = {}

    def supports(self, source: str, target: str) -> bool:
        """Whether a model knows both languages."""
        return self._model(source, target) is not None

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str | Failed]:
        """The best hypothesis of each text.

        `Failed` for a text of more than `max_tokens`, and for a translation that has not ended
        after as many: the model has lost its way.

        Raises:
          TranslatorError: for languages that no model knows, or a model that cannot be loaded.
        """
        found = self._model(source, target)
        if found is None:
            raise unsupported(source, target, f'the model at {self._place}')
        folder, before, prefix = found
        running = self._running.get(folder.path)
        if running is None:
            running = self._running[folder.path] = self._load(folder)
        tokens = [
            [*before, *pieces, *([END] if folder.ends else ())]
            for pieces in running.source.encode([' '.join(t.split()) for t in texts], out_type=str)
        ]
        answers: list[str | Failed] = [
            Failed(f'{len(t)} tokens, more than config.corpus.translator.max_tokens')
            for t in tokens
        ]
        fitting = [i for i, t in enumerate(tokens) if len(t) <= self._max_tokens]
        if fitting:
            results = running.model.translate_batch(
                [tokens[i] for i in fitting],
                target_prefix=[prefix] * len(fitting) if prefix else None,
                max_decoding_length=self._max_tokens - len(prefix),
                return_end_token=True,
                disable_unk=True,
                **self._options,
            )
            for i, result in zip(fitting, results, strict=True):
                answers[i] = self._read(result.hypotheses[0], prefix, running)
        return answers

    def _read(self, hypothesis: Sequence[str], prefix: Sequence[str], running: '_Running'):
        if not hypothesis or hypothesis[-1] != END:
            return Failed(f'no end after {self._max_tokens} tokens of translation')
        return running.target.decode(list(hypothesis[len(prefix) : -1])).strip()

    def _model(self, source: str, target: str) -> tuple[_Folder, list[str], list[str]] | None:
        """The model of a pair; the tokens before the source's, and before the target's."""
        found: dict[str, tuple[_Folder, list[str], list[str]]] = {}  # by plain code of the target
        for key, folder in self._models.items():
            if folder.family != 'marian':
                left, right = (codes.choose(code, folder.tokens) for code in (source, target))
                if left and right and left != right:
                    name = next(name for name, token in folder.tokens.items() if token == right)
                    found.setdefault(name, (folder, [left], [right]))
                continue
            if not key or (key[0] != _ANY and codes.choose(source, {key[0]: 1}) is None):
                continue
            if folder.tokens:
                token = codes.choose(target, folder.tokens)
                if token:
                    name = next(name for name, one in folder.tokens.items() if one == token)
                    found.setdefault(name, (folder, [token], []))
            elif codes.choose(target, {key[1]: 1}):
                found.setdefault(key[1], (folder, [], []))
        return codes.choose(target, found)

    def _load(self, folder: _Folder) -> '_Running':
        ctranslate2, sentencepiece = self._libraries
        try:
            return _Running(
                ctranslate2.Translator(
                    str(folder.path), device=self._device, compute_type=self._compute_type
                ),
                *(sentencepiece.SentencePieceProcessor(model_file=str(p)) for p in folder.pieces),
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise TranslatorError(f'{folder.path} cannot be loaded: {error}') from error


@dataclass(frozen=True)
class _Running:
    """A loaded model with its two SentencePiece processors."""

    model: Any
    source: Any
    target: Any


_ANY = codes.plain('mul')


def _libraries() -> tuple[Any, Any]:
    try:
        import ctranslate2
        import sentencepiece
    except ImportError as error:
        raise TranslatorError(
            f"config.corpus.translator.kind 'seq2seq' needs {error.name}, which is not installed:"
            " pip install 'xlbarrier[translate]'"
        ) from error
    return ctranslate2, sentencepiece


def _find(place: str) -> dict[tuple[str, ...], _Folder]:
    """The models of a place, by the languages in their folders' names: (), (source,) or both."""
    if '{language}' in place or ('{target}' in place and '{source}' not in place):
        raise TranslatorError(
            f'config.corpus.translator.place is {place!r}; a seq2seq translator expects a'
            ' folder, with {source} and {target} in its name where each pair has its own'
        )
    if '{source}' not in place:
        folder = _open(pathlib.Path(place))
        if folder.family == 'marian':
            raise TranslatorError(
                f'{place} is a Marian model, which does not say its languages: name them in its'
                ' folder, and write {source} and {target} for them in'
                ' config.corpus.translator.place (a model with several targets: {source} alone)'
            )
        return {(): folder}
    fields = ('source', 'target') if '{target}' in place else ('source',)
    found = {key: _open(path) for key, path in places.find(place, fields).items()}
    for key, folder in found.items():
        if len(key) == 1 and folder.family == 'marian' and not folder.tokens:
            raise TranslatorError(
                f'{folder.path} is a Marian model with one target: write {{target}} for it in'
                ' config.corpus.translator.place'
            )
    return found


def _open(path: pathlib.Path) -> _Folder:
    if not (path / MODEL).is_file():
        raise TranslatorError(
            f'{path} has no {MODEL}: convert the model first, for example with'
            f' ct2-transformers-converter --model ORG/NAME --output_dir {path} --copy_files'
            ' source.spm target.spm (NLLB, M2M-100: sentencepiece.bpe.model)'
        )
    pieces = (path / 'source.spm', path / 'target.spm')
    if not all(piece.is_file() for piece in pieces):
        shared = next((path / name for name in _SHARED_PIECES if (path / name).is_file()), None)
        if shared is None:
            raise TranslatorError(
                f'{path} has no SentencePiece model: copy source.spm and target.spm, or'
                f' {_SHARED_PIECES[0]}, of the original model into it (--copy_files)'
            )
        pieces = (shared, shared)
    family, tokens = _languages(_vocabulary(path))
    return _Folder(path, family, tokens, pieces, not _config(path).get('add_source_eos', False))


def _languages(vocabulary: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The family, and the tokens of its languages; a Marian model with one target has none."""
    for family, pattern in _FAMILIES.items():
        found = {match[1]: token for token in vocabulary if (match := pattern.fullmatch(token))}
        if len(found) > 1:
            return family, {code: found[name] for code, name in codes.table(found).items()}
    return 'marian', {}


def _vocabulary(path: pathlib.Path) -> list[str]:
    for name in ('shared_vocabulary', 'source_vocabulary'):
        if (path / f'{name}.json').is_file():
            return _tokens(path / f'{name}.json')
        if (path / f'{name}.txt').is_file():
            return datafiles.read_text(path / f'{name}.txt').split('\n')
    raise TranslatorError(f'{path} has no shared_vocabulary.json: it is not a converted model')


def _config(path: pathlib.Path) -> Mapping[str, Any]:
    return datafiles.read_object(path / 'config.json') if (path / 'config.json').is_file() else {}


def _tokens(path: pathlib.Path) -> list[str]:
    found = datafiles.read_json(path)
    if not isinstance(found, list) or not all(isinstance(token, str) for token in found):
        raise TranslatorError(f'{path} is a {datafiles.kind_of(found)}; expected a list of tokens')
    return found


def _files(folder: _Folder) -> list[pathlib.Path]:
    """What decides a model's output."""
    there = [*folder.path.glob('*vocabulary.*'), folder.path / 'config.json', folder.path / MODEL]
    return sorted(path for path in {*there, *folder.pieces} if path.is_file())


def _digest_of(path: pathlib.Path) -> str:
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()
