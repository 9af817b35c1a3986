"""Questions with answers in the shapes that files of the field have, told by their fields.

  messages                 chat: role and content (from and value in ShareGPT's `conversations`)
  instruction              instruction, input (may be absent or blank), output: Alpaca
  prompt_input             prompt, input, answer: the fictional set of CLiKA (Gao et al. 2024)
  question                 question, answer: TOFU (Maini et al. 2024)
  completion               prompt, completion: one text, cut in two
  text                     text, and none of the above: a document, as the shards of a corpus hold

Further fields of a record are not looked at.
"""

import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from xlbarrier.corpus import files
from xlbarrier.corpus.documents import SourceError
from xlbarrier.qa import records

# What a record must have, and the fields of question, input and answer.
FIELDS = {
    'messages': ('messages',),
    'instruction': ('instruction', 'output'),
    'prompt_input': ('prompt', 'answer'),
    'question': ('question', 'answer'),
    'completion': ('prompt', 'completion'),
}
CHAT = ('messages', 'conversations')
ROLES = {
    **{'system': 'system', 'user': 'user', 'human': 'user'},
    **{'assistant': 'assistant', 'gpt': 'assistant', 'tool': 'tool'},
}


@dataclass(frozen=True)
class Example:
    """One question with its answer, or one conversation.

    Attributes:
      where: file and row, for errors.
      form: a key of FIELDS, or 'text'.
      question: what is asked; '' of a conversation.
      input: what the question is about, where the form has it apart; may be ''.
      answer: not blank; '' of a conversation; the whole of a text.
      messages: role and content of each turn of a conversation; the last is the assistant's.
    """

    where: str
    form: str
    question: str = ''
    input: str = ''
    answer: str = ''
    messages: tuple[tuple[str, str], ...] = ()


def read(pattern: str) -> Iterator[Example]:
    """The examples of all files of a glob, in the order of their names.

    Raises:
      SourceError: naming file and row: for what `records.read` refuses, and for a record whose form
        cannot be told, whose fields are no text, or whose question or answer is blank.
    """
    for path in files.find(pattern):
        for where, record in records.read(path):
            yield example(record, where)


def check(pattern: str) -> list[pathlib.Path]:
    """The files of a glob, each of which has a first example that can be read.

    Raises:
      SourceError: as `read` does.
    """
    found = files.find(pattern)
    for path in found:
        where, record = next(records.read(path))
        example(record, where)
    return found


def example(record: Mapping[str, Any], where: str) -> Example:
    """A record as an example.

    Raises:
      SourceError: as `read` does.
    """
    chat = [name for name in CHAT if record.get(name) is not None]
    if chat:
        return Example(where, 'messages', messages=_messages(record, chat[0], where))
    forms = [
        form
        for form, fields in FIELDS.items()
        if form != 'messages' and all(record.get(name) is not None for name in fields)
    ]
    if not forms and record.get('text') is not None:
        return Example(where, 'text', answer=_text(record, 'text', where))
    if len(forms) != 1:
        said = ' and '.join(forms) if forms else 'none'
        wanted = '; '.join(', '.join(fields) for fields in (*FIELDS.values(), ('text',)))
        raise SourceError(
            f'{where} has the fields {", ".join(map(repr, record)) or "(none)"}, which make'
            f' {said} of the known forms; wanted those of just one, not null: {wanted}'
        )
    (form,) = forms
    question, answer = FIELDS[form]
    return Example(
        where,
        form,
        _text(record, question, where),
        _text(record, 'input', where, may_be_blank=True) if form in WITH_INPUT else '',
        _text(record, answer, where),
    )


WITH_INPUT = ('instruction', 'prompt_input')


def _text(record: Mapping[str, Any], name: str, where: str, *, may_be_blank: bool = False) -> str:
    value = record.get(name)
    if may_be_blank and value is None:
        return ''
    if not isinstance(value, str):
        raise SourceError(f'{where}: {name} is a {type(value).__name__}; wanted a text')
    if not value.strip() and not may_be_blank:
        raise SourceError(f'{where}: {name} is blank ({value!r}); wanted a text')
    return files.check_unicode(value, f'{where}: {name}')


def _messages(record: Mapping[str, Any], name: str, where: str) -> tuple[tuple[str, str], ...]:
    turns = record[name]
    if not isinstance(turns, list) or not turns:
        raise SourceError(f'{where}: {name} is {turns!r:.80}; wanted a list of messages')
    found = []
    for i, turn in enumerate(turns):
        place = f'{where}: {name}[{i}]'
        if not isinstance(turn, Mapping):
            raise SourceError(f'{place} is a {type(turn).__name__}; wanted role and content')
        names = ('role', 'content') if 'role' in turn else ('from', 'value')
        if not all(n in turn for n in names):
            raise SourceError(
                f'{place} has the fields {", ".join(map(repr, turn))}; wanted role and content, or'
                ' from and value'
            )
        role = turn[names[0]]
        if role not in ROLES:
            raise SourceError(f'{place}: {names[0]} is {role!r}; wanted one of {", ".join(ROLES)}')
        role = ROLES[role]
        text = _text(turn, names[1], place, may_be_blank=role != 'assistant')
        found.append((role, text))
    if found[-1][0] != 'assistant':
        raise SourceError(
            f'{where}: the last of {name} is of {found[-1][0]}; wanted the assistant, whose turns'
            ' are what is learned'
        )
    return tuple(found)
