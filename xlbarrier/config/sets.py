"""Sets of the hub that are read by their id; docs/tasks.md lists their languages and columns."""

import typing
from typing import Literal

from xlbarrier.config.checks import Count, Several, Size
from xlbarrier.config.choice import ChoiceConfig, Demos, Method
from xlbarrier.config.written import Codes, Source, TaskConfig, WrittenConfig

EclekticLanguage = Literal['en', 'de', 'es', 'fr', 'he', 'hi', 'id', 'it', 'ja', 'ko', 'pt', 'zh']
KlarLanguage = Literal[
    'en', 'ar', 'ca', 'el', 'es', 'fa', 'fr', 'he', 'hu', 'ja', 'ko', 'nl', 'ru', 'tr', 'uk', 'vi',
    'zh',
]  # fmt: skip


class SetConfig(ChoiceConfig):
    """Base of the tasks that read a multiple-choice set of the hub."""

    codes: Codes = ()  # 'sr=srp_Cyrl': the set's name of a language that we do not know of
    split: str = ''  # '': the one that is published to be asked
    shots: Count = 0  # demonstrations, of the split that is published for them; see docs/tasks.md
    demos: Demos = 'english'  # or same: in the variant and language of the question


class GlobalMmluConfig(SetConfig):
    """Global-MMLU (Singh et al. 2024): MMLU in 42 languages."""

    source: Source = 'hf:CohereLabs/Global-MMLU'  # or a file with {language}, a folder


class GlobalMmluLiteConfig(SetConfig):
    """Global-MMLU-Lite (Singh et al. 2024): 400 questions of MMLU in 15 languages."""

    source: Source = 'hf:CohereLabs/Global-MMLU-Lite'  # or a file with {language}, a folder


class MmmluConfig(SetConfig):
    """MMMLU (OpenAI 2024): MMLU in 14 languages; English is that of cais/mmlu."""

    source: Source = 'hf:openai/MMMLU'  # or a file with {language}, a folder


class IncludeConfig(SetConfig):
    """INCLUDE (Romanou et al. 2024): exams of 44 languages, each with questions of its own."""

    source: Source = 'hf:CohereLabs/include-base-44'  # or a file with {language}, a folder
    languages: Several[str] = ('de', 'fr', 'es', 'it')  # of the questions; there is no English
    demos: Literal['same'] = 'same'  # in the language of the question


class MmluProxConfig(SetConfig):
    """MMLU-ProX (Xuan et al. 2025): up to ten options, 29 languages."""

    source: Source = 'hf:li-lab/MMLU-ProX'  # or hf:li-lab/MMLU-ProX-Lite, a file, a folder


class BelebeleConfig(SetConfig):
    """Belebele (Bandarkar et al. 2023): reading, 900 questions in 122 language variants."""

    source: Source = 'hf:facebook/belebele'  # or the data folder, with eng_Latn.jsonl ...


class GlobalPiqaConfig(SetConfig):
    """Global PIQA (2025): everyday physics; hf:mrlbenchmarks/global-piqa-nonparallel is local."""

    source: Source = 'hf:mrlbenchmarks/global-piqa-parallel'  # or -nonparallel, a file, a folder
    methods: Several[Method] = ('loglikelihood',)  # also letter


class XStoryClozeConfig(SetConfig):
    """XStoryCloze (Lin et al. 2022): which sentence ends a story, in eleven languages."""

    source: Source = 'hf:juletxara/xstory_cloze'  # or a file with {language}, a folder
    languages: Several[str] = ('en', 'ar', 'es', 'hi', 'ru', 'sw', 'zh')  # also eu, id, my, te
    methods: Several[Method] = ('loglikelihood',)  # also letter


class PolyFactConfig(SetConfig):
    """PolyFact (von Rad et al. 2026): facts of Wikidata in twelve languages, options by entity."""

    source: Source = 'hf:jvonrad/PolyFact-Clean'  # or a file with {language}, a folder
    languages: Several[str] = ('en', 'de', 'es', 'fr', 'pt')  # also ar, bn, id, ja, ru, sw, zh
    methods: Several[Method] = ('loglikelihood',)  # also letter


class HubConfig(SetConfig):
    """Any other multiple-choice set of docs/tasks.md by its id."""

    source: Source = ''  # hf:JRQi/XCSQA, hf:INK-USC/xcsr, hf:cais/mmlu ...


class KlarConfig(WrittenConfig):
    """KLAR (Wang et al. 2025): facts of 20 relations to be completed, in 17 languages."""

    source: Source = ''  # folder of boschresearch/KLAR-CLC, with en/capital.json ...
    languages: Several[KlarLanguage] = typing.get_args(KlarLanguage)  # of the sentences
    relations: tuple[str, ...] = ()  # such as capital; (): all
    shots: Literal[0, 1, 2, 3] = 3  # of the same relation
    template: Literal[0, 1, 2, 3, 4] = 1  # which of the five published wordings
    new_tokens: Size = 10  # of an answer


class EclekticConfig(WrittenConfig):
    """ECLeKTic (Goldman et al. 2025): facts that only one language's Wikipedia has."""

    source: Source = 'hf:ura-hcmut/ECLeKTic'  # or the published file, eclektic_main.jsonl
    languages: Several[EclekticLanguage] = typing.get_args(EclekticLanguage)  # of the questions
    split: str = ''  # of a dataset; '': its only one


class MultiLokoConfig(WrittenConfig):
    """MultiLoKo (Hupkes and Bogoychev 2025): local knowledge of 31 languages; 250 each."""

    source: Source = 'hf:facebook/multiloko'  # or a folder, a file with {language}
    languages: Several[str] = ('en', 'de', 'fr', 'es', 'it')  # of the questions
    codes: Codes = ()  # 'de=german': the set's name of a language that we do not know of
    split: str = 'dev'  # of a dataset


CHOICE_CONFIGS: dict[str, type[SetConfig]] = {
    'belebele': BelebeleConfig,
    'global_mmlu': GlobalMmluConfig,
    'global_mmlu_lite': GlobalMmluLiteConfig,
    'global_piqa': GlobalPiqaConfig,
    'hub': HubConfig,
    'include': IncludeConfig,
    'mmlu_prox': MmluProxConfig,
    'mmmlu': MmmluConfig,
    'polyfact': PolyFactConfig,
    'xstorycloze': XStoryClozeConfig,
}
TASK_CONFIGS: dict[str, type[TaskConfig]] = {
    **CHOICE_CONFIGS,
    'eclektic': EclekticConfig,
    'klar': KlarConfig,
    'multiloko': MultiLokoConfig,
}
