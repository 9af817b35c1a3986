"""The part of a config that says what puts text into other languages."""

import re
import urllib.parse
from dataclasses import dataclass

from xlbarrier.config.checks import ConfigError, at_least, one_of

TRANSLATORS = ('dictionary', 'parallel', 'seq2seq', 'service')
DEVICES = ('auto', 'cpu', 'cuda')
COMPUTE_TYPES = (
    'default',
    'auto',
    'int8',
    'int8_float32',
    'int8_float16',
    'int8_bfloat16',
    'int16',
    'float16',
    'bfloat16',
    'float32',
)


@dataclass(frozen=True)
class TranslatorConfig:
    """What puts units into other languages; each kind looks at its own fields.

    `place` is, by kind:
      dictionary: word lists, as 'folder/freedict-{source}-{target}.index' (or .tsv, .txt, .json).
      parallel: aligned files 'folder/*.{language}.txt'; or one .tsv or .jsonl whose columns are
        languages, or one a pair of languages, 'folder/{source}-{target}.tsv'; or a dataset: a
        folder of `save_to_disk`, or 'hf:NAME'.
      seq2seq: a folder that CTranslate2's converters made, with the SentencePiece models in it;
        with {source} and {target} where each pair of languages has a model.
      service: the address of a server with LibreTranslate's API.
    """

    kind: str = 'dictionary'  # or 'parallel', 'seq2seq', 'service'
    place: str = ''
    cache: str = ''  # SQLite file shared by runs; '': one in the corpus folder
    max_failed: float = 0.01  # share of units; above it the build stops
    workers: int = 1  # processes that translate
    stem: bool = True  # dictionary: an inflected word takes the entry of its stem
    subset: str = ''  # parallel, of a dataset: its configuration
    split: str = 'train'  # parallel, of a dataset
    column: str = '{language}'  # parallel: name of a language's column
    beam: int = 4  # seq2seq; 1: greedy
    batch_tokens: int = 2048  # seq2seq
    max_tokens: int = 512  # seq2seq: longest text and longest translation that the model takes
    device: str = 'auto'  # seq2seq; or 'cpu', 'cuda'
    compute_type: str = 'default'  # seq2seq: CTranslate2's, such as 'int8' or 'float32'
    key_variable: str = ''  # service: environment variable that holds the key
    rate: float = 0.0  # service: most requests a minute of one process; 0: no limit
    attempts: int = 5  # service: how often a request is made before its texts have failed
    timeout: float = 60.0  # service: seconds for one answer
    batch_texts: int = 32  # service: texts in one request
    revision: str = ''  # service: a name for its state; another name is another cache


def check(where: str, translator: TranslatorConfig) -> None:
    """Refuses values that cannot be used; `where` is the config's dotted name.

    Raises:
      ConfigError: naming the field.
    """
    one_of(f'{where}.kind', translator.kind, TRANSLATORS)
    one_of(f'{where}.device', translator.device, DEVICES)
    one_of(f'{where}.compute_type', translator.compute_type, COMPUTE_TYPES)
    if translator.kind == 'service' and translator.place:
        check_address(f'{where}.place', translator.place)
    if not re.fullmatch(r'(?:[A-Z_][A-Z0-9_]*)?', translator.key_variable):
        # Perhaps the key itself, which belongs in no file and no log.
        raise ConfigError(
            f'{where}.key_variable is not the name of an environment variable (its value is not'
            ' shown: it may be a key); expected capital letters, digits and _, such as'
            ' LIBRETRANSLATE_KEY'
        )
    at_least(where, translator, workers=1, beam=1, batch_tokens=1, max_tokens=1)
    at_least(where, translator, rate=0, attempts=1, batch_texts=1)
    if not 0 <= translator.max_failed <= 1:
        raise ConfigError(f'{where}.max_failed is {translator.max_failed}; wanted 0 to 1')
    if translator.timeout <= 0:
        raise ConfigError(f'{where}.timeout is {translator.timeout}; wanted more than 0 seconds')
    if '{language}' not in translator.column:
        raise ConfigError(f"{where}.column is {translator.column!r}; wanted '{{language}}' in it")


def check_address(where: str, place: str) -> urllib.parse.SplitResult:
    """The parts of a server's address; `where` is the config's dotted name.

    Raises:
      ConfigError: for what is not an address, or has a password or key in it, which would be
        written into the run folder; such an address is not shown.
    """
    try:
        parts = urllib.parse.urlsplit(place)
        _ = parts.port  # raises for what is not a number
    except ValueError as error:
        raise ConfigError(f'{where} is not the address of a server: {error}') from error
    if '@' in place or parts.query or parts.fragment:
        raise ConfigError(
            f'{where} contains a user name, a query or a fragment (it is not shown: it may have a'
            ' password): a key is named with key_variable'
        )
    if parts.scheme not in ('http', 'https') or not parts.hostname:
        raise ConfigError(
            f'{where} is {place!r}; expected the address of a server, such as http://localhost:5000'
        )
    return parts
