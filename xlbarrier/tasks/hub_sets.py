"""Multiple-choice sets of the hub: where each has its languages, and in which columns its items."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from xlbarrier.datafiles import DataError
from xlbarrier.tasks.hub import parse
from xlbarrier.translate import codes as codes_lib

_LETTERS = tuple('ABCD')
_SMALL = tuple(f'option_{letter}' for letter in 'abcd')
_GLOBAL = (
    'am ar bn cs de el en es fa fil fr ha he hi id ig it ja ko ky lt mg ms ne nl ny pl pt ro ru si'
    ' sn so sr sv sw te tr uk vi yo zh'
)
_LITE = 'ar bn de en es fr hi id it ja ko pt sw yo zh'
_PROX = (
    'af ar bn cs de en es fr hi hu id it ja ko mr ne pt ru sr sw te th uk ur vi wo yo zh zu'
)  # fmt: skip
_BELEBELE = (
    'acm_Arab afr_Latn als_Latn amh_Ethi apc_Arab arb_Arab arb_Latn ars_Arab ary_Arab arz_Arab'
    ' asm_Beng azj_Latn bam_Latn ben_Beng ben_Latn bod_Tibt bul_Cyrl cat_Latn ceb_Latn ces_Latn'
    ' ckb_Arab dan_Latn deu_Latn ell_Grek eng_Latn est_Latn eus_Latn fin_Latn fra_Latn fuv_Latn'
    ' gaz_Latn grn_Latn guj_Gujr hat_Latn hau_Latn heb_Hebr hin_Deva hin_Latn hrv_Latn hun_Latn'
    ' hye_Armn ibo_Latn ilo_Latn ind_Latn isl_Latn ita_Latn jav_Latn jpn_Jpan kac_Latn kan_Knda'
    ' kat_Geor kaz_Cyrl kea_Latn khk_Cyrl khm_Khmr kin_Latn kir_Cyrl kor_Hang lao_Laoo lin_Latn'
    ' lit_Latn lug_Latn luo_Latn lvs_Latn mal_Mlym mar_Deva mkd_Cyrl mlt_Latn mri_Latn mya_Mymr'
    ' nld_Latn nob_Latn npi_Deva npi_Latn nso_Latn nya_Latn ory_Orya pan_Guru pbt_Arab pes_Arab'
    ' plt_Latn pol_Latn por_Latn ron_Latn rus_Cyrl shn_Mymr sin_Latn sin_Sinh slk_Latn slv_Latn'
    ' sna_Latn snd_Arab som_Latn sot_Latn spa_Latn srp_Cyrl ssw_Latn sun_Latn swe_Latn swh_Latn'
    ' tam_Taml tel_Telu tgk_Cyrl tgl_Latn tha_Thai tir_Ethi tsn_Latn tso_Latn tur_Latn ukr_Cyrl'
    ' urd_Arab urd_Latn uzn_Latn vie_Latn war_Latn wol_Latn xho_Latn yor_Latn zho_Hans zho_Hant'
    ' zsm_Latn zul_Latn'
)
_PIQA = (
    'acm_arab acq_arab aeb_arab afb_arab als_latn amh_ethi apc_arab_jord apc_arab_leba'
    ' apc_arab_pale apc_arab_syri arb_arab arq_arab ars_arab ary_arab arz_arab azj_latn bam_latn'
    ' bcc_arab bel_cyrl ben_beng ben_latn bgc_deva bho_deva bra_deva bul_cyrl cat_latn ces_latn'
    ' ckm_latn cls_deva cmn_hans cmn_hant dan_latn deu_latn dhd_deva ekk_latn ekp_latn ell_grek'
    ' eng_latn eus_latn fao_latn fin_latn fra_latn_fran fra_latn_cana glg_latn guj_gujr hau_latn'
    ' haw_latn heb_hebr hin_deva hin_latn hrv_latn hun_latn hye_armn ibo_latn idu_latn ind_latn'
    ' isl_latn iso_latn ita_latn jav_latn jpn_jpan kan_knda kan_latn kat_geor kin_latn kir_cyrl'
    ' kor_hang lin_latn lit_latn mal_mlym mar_deva mkd_cyrl mni_beng nag_latn nld_latn nno_latn'
    ' nob_latn npi_deva ory_orya pan_guru pcm_latn pes_arab plt_latn pol_latn por_latn_braz'
    ' por_latn_port ron_latn rus_cyrl rwr_deva sin_latn sin_sinh slk_latn slk_latn_sari slv_latn'
    ' slv_latn_cerk slv_latn_prle snd_arab snd_deva spa_latn_spai spa_latn_mexi spa_latn_peru'
    ' srp_cyrl srp_cyrl_torl srp_latn srp_latn_torl swe_latn swh_latn swv_deva tam_latn tam_taml'
    ' tel_latn tel_telu tgl_latn tha_thai tur_latn uig_arab ukr_cyrl urd_arab urd_latn uzn_latn'
    ' vie_latn yor_latn yue_hant zsm_latn zul_latn'
)
# A part of a country after the script, as in spa_latn_mexi; without one it is the first listed.
_PIQA_REGIONS = {
    'es-MX': 'spa_latn_mexi',
    'es-PE': 'spa_latn_peru',
    'fr-CA': 'fra_latn_cana',
    'pt-PT': 'por_latn_port',
}
_INCLUDE = {
    'sq': 'Albanian', 'ar': 'Arabic', 'hy': 'Armenian', 'az': 'Azerbaijani', 'eu': 'Basque',
    'be': 'Belarusian', 'bn': 'Bengali', 'bg': 'Bulgarian', 'zh': 'Chinese', 'hr': 'Croatian',
    'nl': 'Dutch', 'et': 'Estonian', 'fi': 'Finnish', 'fr': 'French', 'ka': 'Georgian',
    'de': 'German', 'el': 'Greek', 'he': 'Hebrew', 'hi': 'Hindi', 'hu': 'Hungarian',
    'id': 'Indonesian', 'it': 'Italian', 'ja': 'Japanese', 'kk': 'Kazakh', 'ko': 'Korean',
    'lt': 'Lithuanian', 'ms': 'Malay', 'ml': 'Malayalam', 'ne': 'Nepali', 'mk': 'North Macedonian',
    'fa': 'Persian', 'pl': 'Polish', 'pt': 'Portuguese', 'ru': 'Russian', 'sr': 'Serbian',
    'es': 'Spanish', 'tl': 'Tagalog', 'ta': 'Tamil', 'te': 'Telugu', 'tr': 'Turkish',
    'uk': 'Ukrainian', 'ur': 'Urdu', 'uz': 'Uzbek', 'vi': 'Vietnamese',
}  # fmt: skip
_MULTILOKO = {
    'ar': 'arabic', 'bn': 'bengali', 'yue': 'cantonese', 'cs': 'czech', 'nl': 'dutch',
    'en': 'english', 'fa': 'farsi', 'fr': 'french', 'de': 'german', 'he': 'hebrew', 'hi': 'hindi',
    'id': 'indonesian', 'it': 'italian', 'ja': 'japanese', 'km': 'khmer', 'ko': 'korean',
    'ms': 'malay', 'mr': 'marathi', 'pl': 'polish', 'pt': 'portuguese', 'ro': 'romanian',
    'ru': 'russian', 'zh': 'simplified_mandarin', 'es': 'spanish', 'sv': 'swedish',
    'tl': 'tagalog', 'th': 'thai', 'zh-Hant': 'traditional_mandarin', 'tr': 'turkish',
    'ur': 'urdu', 'vi': 'vietnamese',
}  # fmt: skip


@dataclass(frozen=True)
class HubSet:
    """How a set names its languages.

    Attributes:
      id: on the hub.
      names: of its languages, as any codes that CLDR knows; or by BCP-47 code; '': the codes.
      also: names by BCP-47 code that CLDR does not tell from others.
      subset: its configuration of a language.
      split: that is asked.
    """

    id: str
    names: str | Mapping[str, str]
    also: Mapping[str, str] = field(default_factory=dict)
    subset: str = '{language}'
    split: str = 'test'

    def name_of(self, language: str) -> str | None:
        """How the set names a language; None where it does not have it."""
        if not self.names:
            return language
        if isinstance(self.names, str):
            known = codes_lib.table(self.names.split())
        else:
            known = dict(self.names)
        return self.also.get(language) or codes_lib.choose(language, known)

    def listed(self) -> str:
        """The names of all languages."""
        names = self.names.split() if isinstance(self.names, str) else self.names.values()
        return ', '.join(names)


@dataclass(frozen=True)
class ChoiceSet(HubSet):
    """A multiple-choice set.

    Attributes:
      question: columns, joined by a space; 'a.b' is field b of column a.
      options: one column with a list, or a column each.
      least: of the columns of options, those that must be there; 0: all.
      answer: column of the index, a letter, or (`text`) the right option.
      base: number of the first option.
      key: columns that make up an item's id, the same in every language.
      may_key: the same, where a copy of the set may be without them.
      subject: column of the group.
      by_subject: whether ids are SUBJECT/ROW, the row within the subject.
      passage: column of a text to be read before the question.
      translations: column with a row for each language, by code.
      option_ids: column of the options' ids, by which options shuffled apart are aligned.
      english: 'hf:ID' of the English items, where the set has none.
      parallel: whether its items are the same in every language.
      form: of the prompts; see `hub_choice.FORMS`.
      shown: split of the demonstrations; '': the first items of the split that is asked.
      shown_by_subject: whether they are of the question's own subject.
    """

    question: tuple[str, ...] = ('question',)
    options: tuple[str, ...] = ()
    least: int = 0
    answer: str = 'answer'
    text: bool = False
    base: int = 0
    key: tuple[str, ...] = ()
    may_key: tuple[str, ...] = ()
    subject: str = ''
    by_subject: bool = False
    passage: str = ''
    translations: str = ''
    option_ids: str = ''
    english: str = ''
    parallel: bool = True
    form: str = 'mmlu'
    shown: str = ''
    shown_by_subject: bool = False


_ROWS = (
    ChoiceSet(
        'cais/mmlu', {'en': 'all'}, options=('choices',), subject='subject', by_subject=True,
        shown='dev', shown_by_subject=True,
    ),
    ChoiceSet(
        'openai/MMMLU',
        'AR_XY BN_BD DE_DE ES_LA FR_FR HI_IN ID_ID IT_IT JA_JP KO_KR PT_BR SW_KE YO_NG ZH_CN',
        question=('Question',), options=_LETTERS, answer='Answer', subject='Subject',
        by_subject=True, english='hf:cais/mmlu', shown_by_subject=True,
    ),
    ChoiceSet(
        'CohereLabs/Global-MMLU', _GLOBAL, options=_SMALL, key=('sample_id',), subject='subject',
        shown='dev', shown_by_subject=True,
    ),
    ChoiceSet(
        'CohereLabs/Global-MMLU-Lite', _LITE, options=_SMALL, key=('sample_id',), subject='subject',
        shown='dev', shown_by_subject=True,
    ),
    ChoiceSet(
        'CohereLabs/include-base-44', _INCLUDE, options=_SMALL, subject='subject', parallel=False,
        shown='validation',
    ),
    ChoiceSet(
        'li-lab/MMLU-ProX', _PROX, options=tuple(f'option_{i}' for i in range(10)),
        may_key=('question_id',), subject='category', shown='validation', shown_by_subject=True,
    ),
    ChoiceSet(
        'li-lab/MMLU-ProX-Lite', _PROX, options=tuple(f'option_{i}' for i in range(10)),
        may_key=('question_id',), subject='category', shown='validation', shown_by_subject=True,
    ),
    ChoiceSet(
        'facebook/belebele', _BELEBELE, options=tuple(f'mc_answer{i}' for i in range(1, 5)),
        answer='correct_answer_num', base=1, key=('link', 'question_number'),
        passage='flores_passage', form='belebele',
    ),
    ChoiceSet(
        'mrlbenchmarks/global-piqa-parallel', _PIQA, _PIQA_REGIONS, question=('prompt',),
        options=tuple(f'solution{i}' for i in range(4)), least=2, answer='label',
        may_key=('example_id',), form='continued',
    ),
    ChoiceSet(
        'mrlbenchmarks/global-piqa-nonparallel', _PIQA, _PIQA_REGIONS, question=('prompt',),
        options=tuple(f'solution{i}' for i in range(4)), least=2, answer='label', parallel=False,
        form='continued',
    ),
    ChoiceSet(
        'juletxara/xstory_cloze', 'en ru zh es ar hi id te sw eu my', split='eval',
        shown='train', question=tuple(f'input_sentence_{i}' for i in range(1, 5)),
        options=('sentence_quiz1', 'sentence_quiz2'), answer='answer_right_ending', base=1,
        may_key=('story_id',), form='continued',
    ),
    ChoiceSet(
        'jvonrad/PolyFact-Clean', 'ar bn de en es fr id ja pt ru sw zh', subset='parallel',
        options=_SMALL, answer='answer_index', key=('fact_id',), subject='property_id',
        translations='translations', option_ids='option_ids', form='question', shown='validation',
    ),
    ChoiceSet(
        'INK-USC/xcsr', 'en zh de es fr it nl pl pt ru ar vi hi sw ur', {'ja': 'jap'},
        'X-CSQA-{language}',
        split='validation', question=('question.stem',), options=('question.choices',),
        answer='answerKey', key=('id',), form='question',
    ),
    *(
        ChoiceSet(
            f'JRQi/{name}', '', question=('Prompt',), options=('Candidate Ans',), answer='Ans',
            text=True, form='question',
        )
        for name in ('MMMLU', 'XCSQA', 'BMLAMA17')
    ),
)  # fmt: skip
CHOICE_SETS: dict[str, ChoiceSet] = {each.id: each for each in _ROWS}
OTHERS = {
    each.id: each
    for each in (
        HubSet('facebook/multiloko', _MULTILOKO, split='dev'),
        HubSet('juletxara/mgsm', 'bn de en es fr ja ru sw te th zh'),
        HubSet('cambridgeltl/xcopa', 'et ht id it qu sw ta th tr vi zh'),
    )
}
CSV_SETS = ('cross-ling-know/mixup-lang-mmlu',)  # a CSV file for each subject, without a header


def known(source: str) -> HubSet | None:
    """The row of a source's id; None for other sets, folders and files."""
    name = re.split('[@:]', source.removeprefix('hf:'))[0] if source.startswith('hf:') else ''
    return CHOICE_SETS.get(name) or OTHERS.get(name)


def place_of(
    source: str, language: str, codes: Mapping[str, str], where: str, row: HubSet | None = None
) -> str:
    """The place of a set in a language: 'hf:NAME[@REVISION][:SUBSET]'.

    Args:
      source: 'hf:NAME[@REVISION]', or with a ':SUBSET' of the user's with {language} in it.
      language: BCP-47 code.
      codes: how languages are written, of the config; they go first.
      where: dotted name of the task's section, for errors.
      row: of the set; by default that of the source's id, if it has one.

    Raises:
      DataError: for a language that the set does not have; lists those it has.
    """
    row = row or known(source)
    name = codes.get(language) or (row.name_of(language) if row else language)
    if name is None:
        assert row is not None, 'other sets take any name'
        raise DataError(
            f'{where}.languages has {language!r}, which {row.id} does not have; it has'
            f' {row.listed()}. Where the hub has more by now, name them in {where}.codes'
        )
    if '{language}' in source:
        return source.replace('{language}', name)
    if row is None or parse(source).subset:
        return source
    return f'{source}:{row.subset.replace("{language}", name)}'


def choices(source: str, usual: str, where: str) -> ChoiceSet:
    """The row of a multiple-choice set: of the source's id, or else of the task's own set.

    Args:
      source: of the config.
      usual: the default of that field; '' where any set of the table is meant.
      where: dotted name of the task's section, for errors.

    Raises:
      DataError: for an id that is not in the table, where the task has no set of its own.
    """
    row = known(source)
    row = row or known(usual)
    if not isinstance(row, ChoiceSet):
        raise DataError(
            f'{where}.source is {source!r}; expected one of {names_of(CHOICE_SETS)}; other sets'
            ' are read by the task user (docs/your_own_task.md)'
        )
    return row


def names_of(ids: Iterable[str]) -> str:
    """The ids as a config takes them."""
    return ', '.join(f'hf:{each}' for each in ids)


def english_of(source: str) -> str:
    """'hf:ID:SUBSET' of the English items of a source that has none; '' of others."""
    row = known(source)
    if not isinstance(row, ChoiceSet) or not row.english:
        return ''
    return place_of(row.english, 'en', {}, '')
