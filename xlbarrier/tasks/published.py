"""Smaller published sets: Harry Potter Quiz, BMLAMA, XCOPA."""

import pathlib

from xlbarrier import datafiles
from xlbarrier.config.tasks import BmlamaConfig, HpQuizConfig, XcopaConfig
from xlbarrier.datafiles import DataError, DataRow
from xlbarrier.tasks import clika, files, hub_sets, items, prompts
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
# 'because' and 'therefore' as lm-evaluation-harness writes them (tasks xcopa and copa).
CONNECTORS = {
    'en': ('because', 'therefore'),
    'et': ('sest', 'seetõttu'),
    'ht': ('poukisa', 'donk sa'),
    'id': ('karena', 'maka'),
    'it': ('perché', 'quindi'),
    'qu': ('imataq', 'chaymi'),
    'sw': ('kwa sababu', 'kwa hiyo'),
    'ta': ('காரணமாக', 'எனவே'),
    'th': ('เพราะ', 'ดังนั้น'),
    'tr': ('çünkü', 'bu yüzden'),
    'vi': ('bởi vì', 'vì vậy'),
    'zh': ('因为', '所以'),
}


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
        rows = files.read(str(files.file_in(config.source, (HP_SPLITS[code], code))))
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
    """XCOPA (Ponti et al. 2020): prompts of CLiKA's x_copa, without its example, for 'letter'.

    For 'loglikelihood' those of lm-evaluation-harness: the premise without its full stop, the
    language's word for 'because' or 'therefore', then a choice that begins in lower case.
    """

    def __init__(self, config: XcopaConfig, name: str = 'xcopa'):
        """Reads and aligns the items.

        Raises:
          DataError: naming file and row of what is wrong.
        """
        codes, where = items.languages_needed(config), f'config.tasks.{name}'
        by_language = {}
        for code in codes:
            if 'loglikelihood' in config.methods and code not in CONNECTORS:
                raise DataError(
                    f"{where}.languages has {code!r}, and no word for 'because' is known in it;"
                    f" expected some of {', '.join(CONNECTORS)}, or methods=('letter',)"
                )
            rows = files.read(*_xcopa_place(config, code, where))[: config.limit or None]
            # The English set has ids of its own; items are aligned by their rows.
            plain = [DataRow(r.where, {k: v for k, v in r.values.items() if k != 'id'})
                     for r in rows]  # fmt: skip
            found = [clika.item(row, number, 'x_copa') for number, row in enumerate(plain)]
            by_language[code] = items.checked(found, f'{name} {code}', 'keep')
        super().__init__(name, config, by_language)

    def render(self, question: Question, method: str) -> Prompt:
        """See the class, and `clika.prompt_text`."""
        if method == 'letter':
            context = clika.prompt_text(question, 'x_copa', 0, method)
            return Prompt(context, tuple(LETTERS[: len(question.choices)]), clika.CUE)
        cause, effect = CONNECTORS[question.language]
        word = cause if question.meta['asks'] == 'cause' else effect
        return Prompt(
            f'{question.question.strip()[:-1]} {word}',
            tuple(f' {choice[0].lower()}{choice[1:]}' for choice in question.choices),
            word,
        )


def _xcopa_place(config: XcopaConfig, code: str, where: str) -> tuple[str, str]:
    """Place and split of the items in a language."""
    of_hub = 'validation' if config.split == 'val' else config.split
    if code == items.SOURCE and config.source.startswith('hf:cambridgeltl/'):
        return config.english, of_hub
    if config.source.startswith('hf:'):
        return hub_sets.place_of(config.source, code, {}, where), of_hub
    if '{language}' in config.source:
        return files.place_of(config.source, code), config.split
    return f'{config.source}/{code}/{config.split}.{code}.jsonl', config.split
