"""Questions with answers in the forms that published files have, recognised by their fields.

  messages                 chat: role and content (from and value in ShareGPT's `conversations`)
  instruction              instruction, input (may be absent or blank), output: Alpaca
  prompt_input             prompt, input, answer: the fictional set of CLiKA (Gao et al. 2024)
  question                 question, answer: TOFU (Maini et al. 2024)
  inputs                   inputs, targets: FLAN and Aya
  completion               prompt, completion: one text, cut in two; or messages (TRL), of which
                           those of the completion are learned
  text                     text, and none of the above: a document, as the shards of a corpus have

Further fields of a record are ignored. A message's content is a text, or a list of parts of text.
"""

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xlbarrier import datafiles as files
from xlbarrier.datafiles import DataError
from xlbarrier.qa import records

# What a record must have, and the fields of question, input and answer.
FIELDS = {
    'messages': ('messages',),
    'instruction': ('instruction', 'output'),
    'prompt_input': ('prompt', 'answer'),
    'question': ('question', 'answer'),
    'inputs': ('inputs', 'targets'),
    'completion': ('prompt', 'completion'),
}
CHAT = ('messages', 'conversations')
ROLES = {
    **dict.fromkeys(('system', 'developer'), 'system'),
    **dict.fromkeys(('user', 'human'), 'user'),
    **dict.fromkeys(('assistant', 'gpt', 'model', 'chatgpt', 'bot'), 'assistant'),
    **dict.fromkeys(('tool', 'function', 'observation'), 'tool'),
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
      learned: index of the first message that may be learned; those before are only read.
    """

    where: str
    form: str
    question: str = ''
    input: str = ''
    answer: str = ''
    messages: tuple[tuple[str, str], ...] = ()
    learned: int = 0


def read(pattern: str, fields: Sequence[str] = ()) -> Iterator[Example]:
    """The examples of all files of a glob, in the order of their names.

    Args:
      pattern: a path or glob.
      fields: 'name=column' for columns with names of their own; see `DataConfig`.

    Raises:
      DataError: naming file and row: for what `records.read` refuses, and for a record whose form
        is not clear, whose fields are not texts, or whose question or answer is blank.
    """
    for path in files.find(pattern):
        for where, record in records.read(path, _columns(fields)):
            yield example(record, where)


def check(pattern: str, fields: Sequence[str] = ()) -> list[pathlib.Path]:
    """The files of a glob, each of which has a first example that can be read.

    Raises:
      DataError: as `read` does.
    """
    found = files.find(pattern)
    for path in found:
        where, record = next(records.read(path, _columns(fields)))
        example(record, where)
    return found


def _columns(fields: Sequence[str]) -> dict[str, str]:
    return dict(field.split('=', 1) for field in fields)


def example(record: Mapping[str, Any], where: str) -> Example:
    """A record as an example.

    Raises:
      DataError: as `read` does.
    """
    chat = [name for name in CHAT if not files.is_empty(record.get(name))]
    if chat:
        return Example(where, 'messages', messages=_messages(record[chat[0]], chat[0], where))
    forms = [
        form
        for form, fields in FIELDS.items()
        if form != 'messages' and not any(files.is_empty(record.get(name)) for name in fields)
    ]
    if not forms and not files.is_empty(record.get('text')):
        return Example(where, 'text', answer=_text(record, 'text', where))
    if len(forms) != 1:
        said = ' and '.join(forms) if forms else 'none'
        known = '; '.join(', '.join(fields) for fields in (*FIELDS.values(), ('text',)))
        raise DataError(
            f'{where} has the fields {", ".join(map(repr, record)) or "(none)"}, which make'
            f' {said} of the known forms; expected those of exactly one, not null: {known}; name'
            " other columns with config.data.fields, such as ('question=Q', 'answer=A')"
        )
    (form,) = forms
    question, answer = FIELDS[form]
    if form == 'completion' and any(isinstance(record[name], list) for name in FIELDS[form]):
        return _conversation(record, where)
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
    if may_be_blank and files.is_empty(value):
        return ''
    if isinstance(value, list):
        value = ''.join(_parts(value, f'{where}: {name}'))
    if not isinstance(value, str):
        raise DataError(f'{where}: {name} is a {files.kind_of(value)}; expected a text')
    if not value.strip() and not may_be_blank:
        raise DataError(f'{where}: {name} is blank ({value!r:.80}); expected a text')
    return files.check_unicode(value, f'{where}: {name}')


def _parts(parts: Sequence[Any], where: str) -> Iterator[str]:
    """The texts of a content that is a list of parts, as OpenAI's messages have it."""
    for i, part in enumerate(parts):
        text = part.get('text') if isinstance(part, Mapping) else part
        if not isinstance(text, str):
            kind = part.get('type') if isinstance(part, Mapping) else files.kind_of(part)
            raise DataError(f'{where}[{i}] is a part of the type {kind!r:.40}; expected text')
        yield text


def _conversation(record: Mapping[str, Any], where: str) -> Example:
    """A prompt and a completion of messages; the completion's are learned."""
    parts = []
    for name, role in (('prompt', 'user'), ('completion', 'assistant')):
        turns = record[name]
        if isinstance(turns, str):
            turns = [{'role': role, 'content': turns}]
        parts.append(_messages(turns, name, where, may_end_otherwise=name == 'prompt'))
    prompt, completion = parts
    return Example(where, 'messages', messages=prompt + completion, learned=len(prompt))


def _messages(
    turns: Any, name: str, where: str, *, may_end_otherwise: bool = False
) -> tuple[tuple[str, str], ...]:
    if not isinstance(turns, list) or not turns:
        raise DataError(f'{where}: {name} is {turns!r:.80}; expected a list of messages')
    found = []
    for i, turn in enumerate(turns):
        place = f'{where}: {name}[{i}]'
        if not isinstance(turn, Mapping):
            raise DataError(f'{place} is a {files.kind_of(turn)}; expected role and content')
        names = ('role', 'content') if 'role' in turn else ('from', 'value')
        if not all(n in turn for n in names):
            raise DataError(
                f'{place} has the fields {", ".join(map(repr, turn))}; expected role and content,'
                ' or from and value'
            )
        role = turn[names[0]]
        if not isinstance(role, str) or role not in ROLES:
            raise DataError(
                f'{place}: {names[0]} is {role!r:.80}; expected one of {", ".join(ROLES)}'
            )
        role = ROLES[role]
        text = _text(turn, names[1], place, may_be_blank=role != 'assistant')
        found.append((role, text))
    if found[-1][0] != 'assistant' and not may_end_otherwise:
        raise DataError(
            f'{where}: the last of {name} is from the {found[-1][0]}; expected the assistant, whose'
            ' turns are what is learned'
        )
    return tuple(found)
