"""Published sets whose answers are texts: KLAR, ECLeKTic, MultiLoKo."""

import pathlib
from collections.abc import Mapping, Sequence

import pyarrow as pa

from xlbarrier import datafiles, draw, metrics
from xlbarrier.config.sets import EclekticConfig, KlarConfig, MultiLokoConfig
from xlbarrier.datafiles import DataError
from xlbarrier.tasks import files, hub_sets, prompts, written
from xlbarrier.tasks.chat import chat_of
from xlbarrier.tasks.hub_choice import check_columns, literal
from xlbarrier.tasks.rows import NumberRow, Sheet
from xlbarrier.tasks.written import Item, WrittenTask
from xlbarrier.text import languages as languages_lib

FULL = 'full'
RELATIONS = (
    'applies_to_jurisdiction', 'capital', 'capital_of', 'continent', 'country_of_citizenship',
    'developer', 'field_of_work', 'headquarters_location', 'instrument',
    'language_of_work_or_name', 'languages_spoken', 'location_of_formation', 'manufacturer',
    'native_language', 'occupation', 'official_language', 'owned_by', 'place_of_birth',
    'place_of_death', 'religion',
)  # fmt: skip
_SUBJECT, _MASK = '<subject>', '<mask>'


class Recall(WrittenTask):
    """A short answer: whether it is a right one, shares words with one, or contains one.

    Words are those of `metrics.text_match`, in any script.
    """

    numbers = ('exact_match', 'f1', 'contains')

    def numbers_of(self, item: Item, sheet: Sheet, text: str) -> dict[str, float | None]:
        """The best score over the right answers."""
        return {
            'exact_match': metrics.text_match(text, item.references),
            'f1': metrics.text_f1(text, item.references),
            'contains': metrics.text_contains(text, item.references),
        }


class Klar(Recall):
    """KLAR (Wang et al. 2025, arXiv 2504.04264): the object of a fact, after facts of its relation.

    Ids are RELATION/INDEX. Which facts are shown before a fact depends on the seed and its id, and
    is the same in every language.
    """

    def __init__(self, config: KlarConfig, name: str = 'klar'):
        """Reads the facts.

        Raises:
          DataError: naming every file that is missing, or the file and fact that cannot be used.
        """
        root, relations = pathlib.Path(config.source).expanduser(), config.relations or RELATIONS
        paths = {
            (code, relation): root / code / f'{relation}.json'
            for code in config.languages
            for relation in relations
        }
        missing = [f'{code}/{relation}.json' for (code, relation), path in paths.items()
                   if not path.is_file()]  # fmt: skip
        if missing:
            dots = ' ...' if len(missing) > files.SHOWN else ''
            raise DataError(
                f'config.tasks.{name}.source: {root} lacks {len(missing)} files of KLAR:'
                f' {", ".join(missing[: files.SHOWN])}{dots}'
            )
        asked: dict[Sheet, list[Item]] = {
            (FULL, code): [
                item
                for relation in relations
                for item in _facts(config, paths[code, relation], relation)
            ]
            for code in config.languages
        }
        written.check_aligned(name, _ids(asked))
        chat = chat_of(config, name)
        super().__init__(
            name, asked, config.new_tokens, ('\n',), shots=config.shots, chat=chat
        )  # fmt: skip


def _facts(config: KlarConfig, path: pathlib.Path, relation: str) -> list[Item]:
    """The facts of one relation in one language, each after `shots` others."""
    found = datafiles.read_object(path)
    templates, samples = found.get('prompt_templates'), found.get('samples')
    if not isinstance(templates, list) or not isinstance(samples, list) or not samples:
        raise DataError(f'{path}: expected the lists prompt_templates and samples')
    if len(templates) <= config.template:
        raise DataError(
            f'{path} has {len(templates)} wordings; config asks for template {config.template}'
        )
    wording = datafiles.as_text(templates[config.template], 'a template', str(path))
    if _SUBJECT not in wording:
        raise DataError(f'{path}: {wording!r} has no {_SUBJECT}')
    rows: dict[str, tuple[str, str]] = {}
    for number, sample in enumerate(samples):
        where = f'{path}, sample {number}'
        if not isinstance(sample, Mapping):
            raise DataError(f'{where} is {sample!r:.60}; expected subject, object and index')
        row = datafiles.DataRow(where, sample)
        asked = wording.replace(_SUBJECT, row.text('subject')).replace(_MASK, '').rstrip()
        rows[f'{relation}/{row.text("index")}'] = (asked, row.text('object'))
    made = []
    for id_ in list(rows)[: config.limit or None]:
        others = draw.shuffled([other for other in rows if other != id_], config.seed, id_)
        shown = ''.join(f'{rows[o][0]} {rows[o][1]}\n' for o in others[: config.shots])
        asked, answer = rows[id_]
        made.append(Item(id_, asked, shown + asked, (answer,), {'relation': relation}))
    return made


class Eclektic(Recall):
    """ECLeKTic (Goldman et al. 2025, arXiv 2502.21228): what of one language crosses into others.

    Besides the numbers of `Recall`, over the questions whose source is another language: `transfer`
    is the share right in a language of those right in their source language, `right_in_both` that
    of all. Right is an answer that contains the reference; the paper has a model judge that.
    """

    def __init__(self, config: EclekticConfig, name: str = 'eclektic'):
        """Reads the questions.

        Raises:
          DataError: naming the columns or the row that cannot be used.
        """
        rows = files.read(config.source, config.split)
        columns = [f'{code}_{part}' for code in config.languages for part in 'qa']
        check_columns(rows[0], ('q_id', 'original_lang', *columns), config.source)
        rows = rows[: config.limit or None]
        asked: dict[Sheet, list[Item]] = {
            (FULL, code): [
                Item(
                    row.text('q_id'),
                    row.text(f'{code}_q'),
                    _question(row.text(f'{code}_q'), code),
                    (row.text(f'{code}_a'),),
                )
                for row in rows
            ]
            for code in config.languages
        }
        self.original = {row.text('q_id'): row.text('original_lang') for row in rows}
        written.check_aligned(name, _ids(asked))
        super().__init__(name, asked, config.new_tokens, ('\n',), chat=chat_of(config, name))

    def rows(self, tables: Mapping[Sheet, pa.Table], *, draws: int, seed: int) -> list[NumberRow]:
        """Also the two shares of each language, of the questions asked in their own language."""
        found = super().rows(tables, draws=draws, seed=seed)
        right = {
            sheet[1]: dict(zip(table['id'].to_pylist(), table['contains'].to_pylist(), strict=True))
            for sheet, table in tables.items()
        }
        for language, own in right.items():
            foreign = [
                (own[id_], right[source][id_])
                for id_ in own
                if (source := self.original[id_]) != language and source in right
            ]
            both = sum(here == there == 1.0 for here, there in foreign)
            known = sum(there == 1.0 for _, there in foreign)
            for metric, of in (('transfer', known), ('right_in_both', len(foreign))):
                key = {'variant': FULL, 'language': language, 'method': 'generate'}
                found.append(key | {'metric': metric} | metrics.share(both, of).as_row())
        return found


class MultiLoko(Recall):
    """MultiLoKo (Hupkes and Bogoychev 2025, arXiv 2504.10356): each language's own questions."""

    def __init__(self, config: MultiLokoConfig, name: str = 'multiloko'):
        """Reads the questions.

        Raises:
          DataError: naming the columns or the row that cannot be used.
        """
        asked: dict[Sheet, list[Item]] = {
            (FULL, code): _local_questions(config, code, f'config.tasks.{name}')
            for code in config.languages
        }
        super().__init__(name, asked, config.new_tokens, ('\n',), chat=chat_of(config, name))


def _local_questions(config: MultiLokoConfig, code: str, where: str) -> list[Item]:
    row = hub_sets.OTHERS['facebook/multiloko']
    codes = files.renamed(config.codes)
    if config.source.startswith('hf:'):
        place = hub_sets.place_of(config.source, code, codes, where, row)
    else:
        named = codes.get(code) or row.name_of(code) or code
        place = config.source.replace('{language}', named)
        if place == config.source:
            found = (f'{named}/{config.split}', named, code)
            place = str(files.file_in(config.source, found))
    rows = files.read(place, config.split)
    check_columns(rows[0], ('question', 'targets'), f'{place} {config.split}')
    made = []
    for number, each in enumerate(rows[: config.limit or None]):
        targets = each.get('targets')
        if isinstance(targets, str):
            targets = literal(targets, 'targets', each.where) if targets[:1] == '[' else [targets]
        right = tuple(datafiles.as_text(t, 'targets', each.where) for t in targets)
        if not right:
            raise DataError(f'{each.where}: targets is empty; expected at least one answer')
        question = each.text('question')
        made.append(Item(f'{code}/{number}', question, _question(question, code), right))
    return made


def _question(question: str, code: str) -> str:
    """A question between cue words of its language, or English ones."""
    words = code if code in prompts.CUES else 'en'
    ask, answer = prompts.cue(words)
    gap = ' ' if languages_lib.language(words).spaces else ''
    return f'{ask}{gap}{question}\n{answer}'


def _ids(asked: Mapping[Sheet, Sequence[Item]]) -> dict[str, list[str]]:
    return {sheet[1]: [item.id for item in items] for sheet, items in asked.items()}
