"""What puts text into other languages."""

import re
import urllib.parse
from typing import Annotated, Literal

from xlbarrier.config.checks import ConfigError, Matches, Positive, Range, Section, Share, Size

ComputeType = Literal[
    'default', 'auto', 'int8', 'int8_float32', 'int8_float16', 'int8_bfloat16', 'int16', 'float16',
    'bfloat16', 'float32',
]  # fmt: skip


class TranslatorConfig(Section):
    """What puts units into other languages; each kind uses its own fields.

    `place` is, by kind:
      dictionary: word lists, as 'folder/freedict-{source}-{target}.index' (or .tsv, .txt, .json).
      parallel: aligned files 'folder/*.{language}.txt'; or one .tsv or .jsonl whose columns are
        languages, or one for each pair of languages, 'folder/{source}-{target}.tsv'; or a dataset:
        a folder of `save_to_disk`, or 'hf:NAME'.
      seq2seq: a folder that CTranslate2's converters made, with the SentencePiece models in it;
        with {source} and {target} where each pair of languages has a model.
      service: the address of a server with LibreTranslate's API.
    """

    kind: Literal['dictionary', 'parallel', 'seq2seq', 'service'] = 'dictionary'  # what translates
    place: str = ''  # files, model or address, by kind (docs/translators.md)
    cache: str = ''  # SQLite file shared by runs; '': one in the corpus folder
    max_failed: Share = 0.01  # share of units; above it the build stops
    workers: Size = 1  # processes that translate
    stem: bool = True  # dictionary: an inflected word takes the entry of its stem
    subset: str = ''  # parallel, of a dataset: its configuration
    split: str = 'train'  # parallel, of a dataset
    # parallel: name of a language's column.
    column: Annotated[str, Matches(r'.*\{language\}.*', "'{language}' in it")] = '{language}'
    beam: Size = 4  # seq2seq; 1: greedy
    batch_tokens: Size = 2048  # seq2seq
    max_tokens: Size = 512  # seq2seq: longest text and longest translation that the model takes
    device: Literal['auto', 'cpu', 'cuda'] = 'auto'  # seq2seq
    compute_type: ComputeType = 'default'  # seq2seq: CTranslate2's, such as int8 or float32
    key_variable: str = ''  # service: environment variable that holds the key
    rate: Annotated[float, Range(0)] = 0.0  # service: requests a minute of one process; 0: no limit
    attempts: Size = 5  # service: how often a request is made before its texts have failed
    timeout: Positive = 60.0  # service: seconds for one answer, all of it
    batch_texts: Size = 32  # service: texts in one request
    revision: str = ''  # service: a name for its state; another name is another cache

    def check_together(self, where: str) -> None:
        if self.kind == 'service' and self.place:
            check_address(f'{where}.place', self.place)
        if not re.fullmatch(r'(?:[A-Z_][A-Z0-9_]*)?', self.key_variable):
            # Perhaps the key itself, which belongs in no file and no log.
            raise ConfigError(
                f'{where}.key_variable is not the name of an environment variable (its value is'
                ' not shown: it may be a key); expected capital letters, digits and _, such as'
                ' LIBRETRANSLATE_KEY'
            )


def check_address(where: str, place: str) -> urllib.parse.SplitResult:
    """The parts of a server's address; `where` is the config's dotted name.

    Raises:
      ConfigError: for what is not an address, or has a password or key in it, which would be
        written into the run folder; such an address is not shown.
    """
    if '@' in place or '?' in place or '#' in place:
        raise ConfigError(
            f'{where} contains a user name, a query or a fragment (it is not shown: it may have a'
            ' password): a key is named with key_variable'
        )
    try:
        parts = urllib.parse.urlsplit(place)
        address = parts.scheme in ('http', 'https') and parts.hostname and parts.port != 0
    except ValueError as error:
        raise ConfigError(f'{where} is not the address of a server: {error}') from error
    if not address:
        raise ConfigError(
            f'{where} is {place!r}; expected the address of a server, such as http://localhost:5000'
        )
    return parts
