"""Mode translate: which questions are put into other languages."""

from typing import Annotated, Literal

from xlbarrier.config.checks import ConfigError, Count, Matches, Section, Several


class QuestionsConfig(Section):
    """Mode translate: MMLU's questions into other languages, by config.corpus.translator."""

    # In English: MMLU's folder with test and dev, or hf:NAME[@REVISION][:SUBSET].
    source: Annotated[str, Matches('.+', 'a folder or hf:NAME')] = 'hf:cais/mmlu:all'
    languages: Several[str] = ('de',)  # to translate into
    splits: Several[Literal['test', 'dev']] = ('test', 'dev')  # dev: the demonstrations
    subjects: tuple[str, ...] = ()  # (): all 57
    limit: Count = 0  # the first so many questions of each subject of the test split; 0: all
    ask: bool = True  # afterwards asks config.model the tasks, in the same run folder

    def check_together(self, where: str) -> None:
        if 'en' in self.languages:
            raise ConfigError(f'{where}.languages has en, the language of the questions')
