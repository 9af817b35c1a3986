"""Smaller published sets: Harry Potter Quiz, BMLAMA, XCOPA, Belebele."""

import pathlib

from xlbarrier import datafiles
from xlbarrier.config.tasks import BelebeleConfig, BmlamaConfig, HpQuizConfig, XcopaConfig
from xlbarrier.datafiles import DataError, DataRow
from xlbarrier.tasks import clika, files, items, prompts
from xlbarrier.tasks.base import LETTERS, Prompt, Question
from xlbarrier.tasks.items import Item

# Chua et al. 2024: the published splits and instruction lines.
HP_SPLITS = {'de': 'German', 'en': 'English', 'es': 'Spanish', 'fr': 'French', 'it': 'Italian'}
HP_INSTRUCTIONS = {
    'de': 'Im Folgenden finden Sie Multiple-Choice-Fragen (mit Antworten) zu Harry Potter.',
    'en': 'The following are multiple choice questions (with answers) about Harry Potter.',
    'es': 'Las siguientes son preguntas de opción múltiple (con respuestas) sobre Harry Potter.',
    'fr': 'Vous trouverez ci-dessous des questions à choix multiples (avec réponses) sur Harry'
    ' Potter.',
    'it': 'Di seguito sono riportate domande a scelta multipla (con risposte) su Harry Potter.',
}
MASK = '<mask>'


class HpQuiz(items.AlignedTask):
    """The Harry Potter Quiz: 300 questions in five languages, with the published prompts."""

    def __init__(self, config: HpQuizConfig, name: str = 'hp_quiz'):
        """Reads and aligns the questions.

        Raises:
          DataError: naming file and row of what is wrong.
        """
        by_language = {
            code: items.checked(_hp_items(config, code), f'{name} {code}', 'keep')
            for code in items.languages_needed(config)
        }
        super().__init__(name, config, by_language)

    def render(self, question: Question, method: str) -> Prompt:
        """The published prompt: instruction in the question's language, a space after 'Answer:'."""
        listed = f'\n{prompts.listed(question)}' if method == 'letter' else ''
        answers = LETTERS[: len(question.choices)] if method == 'letter' else question.choices
        instruction = HP_INSTRUCTIONS[question.language]
        context = f'{instruction}\n\n{question.question}{listed}\nAnswer: '
        return Prompt(context, tuple(answers), 'Answer: ')


def _hp_items(config: HpQuizConfig, code: str) -> list[Item]:
    if config.source.startswith('hf:'):
        rows = files.read_dataset(config.source, HP_SPLITS[code])
    elif '{language}' in config.source:
        rows = files.read(files.place_of(config.source, code))
    else:
        rows = files.read(str(_file_in(config.source, (HP_SPLITS[code], code))))
    made = []
    for number, row in enumerate(rows[: config.limit or None]):
        choices = tuple(row.text(letter) for letter in 'ABCD')
        answer = items.answer_index(row.get('GT'), len(choices), row.where)
        meta = {'row': number}
        made.append(
            Item(
                str(number),
                row.text('question'),
                choices,
                answer,
                'harry_potter',
                row.where,
                meta,
                numbered=True,
            )
        )
    return made


class Bmlama(items.AlignedTask):
    """BMLAMA as multiple choice: which candidate makes the most likely sentence.

    A candidate is scored together with the text after the mask, given the text before it. Qi et al.
    2023 score the whole sentence; the text before the mask is the same for all candidates.
    """

    def __init__(self, config: BmlamaConfig, name: str = 'bmlama'):
        """Reads and aligns the prompts.

        Raises:
          DataError: naming file and row of what is wrong.
        """
        codes = items.languages_needed(config)
        # BMLAMA-53 has 34 rows with a single candidate, whose rank means nothing.
        found, single = items.without(
            {code: _bmlama_items(config, code) for code in codes},
            lambda item: len(item.choices) < 2,
            f'config.tasks.{name}',
            'one candidate',
        )
        by_language = {
            code: items.checked(found[code][: config.limit or None], f'{name} {code}', 'keep')
            for code in codes
        }
        super().__init__(name, config, by_language, {'one_candidate': single})

    def render(self, question: Question, method: str) -> Prompt:
        """The sentence up to the mask, and each way to end it."""
        before, _, after = question.question.partition(MASK)
        # The space before the mask belongs to the candidate.
        gap = before[len(before.rstrip()) :]
        return Prompt(
            before.rstrip(),
            tuple(f'{gap}{choice}{after}' for choice in question.choices),
            prompts.cue(question.language)[1] if question.language in prompts.CUES else 'Answer:',
        )


def _bmlama_items(config: BmlamaConfig, code: str) -> list[Item]:
    path = pathlib.Path(config.source).expanduser() / f'{code}.tsv'
    # The header is not checked: in one published file it has a tab too many.
    rows = list(datafiles.read_cells(path, '\t'))
    made = []
    for number, (where, cells) in enumerate(rows[1:]):
        if len(cells) != 4:
            raise DataError(
                f'{where}: {len(cells)} cells; expected prompt, answer, candidates and subject'
            )
        prompt, answer, listed, _ = cells
        choices = tuple(choice.strip() for choice in listed.split(', '))
        if prompt.count(MASK) != 1 or not prompt.partition(MASK)[0].strip():
            raise DataError(f'{where}: {prompt!r}; expected one {MASK}, and words before it')
        if answer not in choices:
            raise DataError(f'{where}: the answer {answer!r} is not among {listed!r}')
        if not all(choices):
            raise DataError(f'{where}: a candidate is empty: {listed!r}')
        made.append(
            Item(
                str(number),
                prompt,
                choices,
                choices.index(answer),
                'bmlama',
                where,
                {'row': number},
                numbered=True,
            )
        )
    return made


class Xcopa(items.AlignedTask):
    """XCOPA (Ponti et al. 2020), with the prompt of CLiKA's x_copa without its example."""

    def __init__(self, config: XcopaConfig, name: str = 'xcopa'):
        """Reads and aligns the items.

        Raises:
          DataError: naming file and row of what is wrong.
        """
        by_language = {}
        for code in items.languages_needed(config):
            place = files.place_of(config.source, code)
            if not place.startswith('hf:'):
                place = f'{place}/{code}/{config.split}.{code}.jsonl'
            rows = files.read(place, config.split)[: config.limit or None]
            found = [clika.item(row, number, 'x_copa') for number, row in enumerate(rows)]
            by_language[code] = items.checked(found, f'{name} {code}', 'keep')
        super().__init__(name, config, by_language)

    def render(self, question: Question, method: str) -> Prompt:
        """See `clika.prompt_text`."""
        answers = LETTERS[: len(question.choices)] if method == 'letter' else question.choices
        context = clika.prompt_text(question, 'x_copa', 0, method)
        return Prompt(context, tuple(answers), clika.CUE)


class Belebele(items.AlignedTask):
    """Belebele (Bandarkar et al. 2023): a passage, then the question, in English cue words."""

    def __init__(self, config: BelebeleConfig, name: str = 'belebele'):
        """Reads and aligns the questions.

        Raises:
          DataError: naming file and row of what is wrong.
        """
        by_language = {}
        for code in items.languages_needed(config):
            place = files.place_of(config.source, code, config.codes)
            if not place.startswith('hf:') and '{language}' not in config.source:
                renamed = files.place_of('{language}', code, config.codes)
                place = str(_file_in(config.source, (renamed,)))
            # The published files differ in their order between languages.
            found = sorted((_belebele_item(row) for row in files.read(place)), key=lambda i: i.id)
            checked = items.checked(found, f'{name} {code}', 'keep')
            by_language[code] = checked[: config.limit or None]
        super().__init__(name, config, by_language)

    def render(self, question: Question, method: str) -> Prompt:
        """See `prompts.render`."""
        return prompts.render(
            question, method, cues='en', instruction=f'Passage: {question.meta["passage"]}'
        )


def _belebele_item(row: DataRow) -> Item:
    choices = tuple(row.text(f'mc_answer{i}') for i in range(1, 5))
    answer = items.answer_index(row.get('correct_answer_num'), 4, row.where, 1)
    id_ = f'{row.text("link")}#{row.text("question_number")}'
    return Item(
        id_, row.text('question'), choices, answer, 'belebele', row.where,
        {'passage': row.text('flores_passage')},
    )  # fmt: skip


def _file_in(folder: str, names: tuple[str, ...]) -> pathlib.Path:
    """The file of a folder that has one of the names, with any of the suffixes.

    Raises:
      DataError: when there is none.
    """
    root = pathlib.Path(folder).expanduser()
    for name in names:
        for suffix in datafiles.SUFFIXES:
            for base in (root, root / 'data'):
                if (base / f'{name}{suffix}').exists():
                    return base / f'{name}{suffix}'
    raise DataError(
        f'{root} has no file {" or ".join(names)} that ends in {", ".join(datafiles.SUFFIXES)}'
    )
