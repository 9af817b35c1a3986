"""The main experiment of Chua et al. 2024: fine-tuning on WikiText in mixed languages.

    python -m xlbarrier.main --config=configs/chua_finetune.py:MODEL,CORPUS,UNIT \\
        --workdir=runs/finetune

MODEL is llama2-7b, llama3-8b, or any model.source. CORPUS is wikitext2, wikitext103, or
wikitext103-hp, its lines about Harry Potter, whose published row numbers are expected in
data/HP_related_index_for_wikitext-103.json. UNIT is english, document, sentence or words:8.

One model is fine-tuned on the English text and, unless UNIT is english, one on the mixed text;
--config.arms=mixed leaves the first out. Then MMLU is asked, without and with demonstrations, and
the Harry Potter Quiz. Checkpoints on the way are measured on WikiText-103, as they were published.

The corpora come from the hub and MMLU from the folder `data` (see chua_mmlu). The paper does not
say what translated its text; here CTranslate2 does, with a model in data/translator. Any translator
of docs/translators.md will do:

    --config.corpus.translator.kind=dictionary \\
    --config.corpus.translator.place='data/freedict/{source}-{target}.index'

docs/papers.md lists what is as published and what deviates.
"""

from typing import Any

from ml_collections import ConfigDict

from xlbarrier.config import ConfigError
from xlbarrier.recipes import chua_hp, chua_mmlu, quickstart

MODELS = {'llama2-7b': 'hf:meta-llama/Llama-2-7b-hf', 'llama3-8b': 'hf:meta-llama/Meta-Llama-3-8B'}
# Subset of the hub's WikiText, and the file of the rows to take.
CORPORA = {
    'wikitext2': ('wikitext-2-raw-v1', ''),
    'wikitext103': ('wikitext-103-raw-v1', ''),
    'wikitext103-hp': ('wikitext-103-raw-v1', 'data/HP_related_index_for_wikitext-103.json'),
}
UNITS = ('english', 'document', 'sentence', 'words:8')
LANGUAGES = ('en', 'fr', 'de', 'es', 'it')
SNAPSHOTS = (200, 400, 600, 800)


def get_config(what: str = 'llama2-7b,wikitext2,sentence') -> ConfigDict:
    """A study with the published settings.

    Args:
      what: model, corpus and unit, with commas between.

    Raises:
      ConfigError: for a corpus or unit that is not one of CORPORA and UNITS.
    """
    model, corpus, unit, *rest = [*what.split(','), '', '']
    if any(rest) or corpus not in CORPORA or unit not in UNITS:
        raise ConfigError(
            f'chua_finetune:{what}: expected MODEL,CORPUS,UNIT with one of {", ".join(CORPORA)} and'
            f' one of {", ".join(UNITS)}'
        )
    config = quickstart.get_config()
    config.seed = 42
    config.model.source = MODELS.get(model, model)
    config.arms = ('english',) if unit == 'english' else ('english', 'mixed')
    subset, rows = CORPORA[corpus]
    config.corpus.source = 'hf:Salesforce/wikitext'  # a document is a line that is not blank
    config.corpus.text.subset = subset
    config.corpus.filters.rows = rows
    config.corpus.languages = LANGUAGES
    config.corpus.unit = 'document' if unit == 'english' else unit
    config.corpus.seed = 42
    config.corpus.translator = {'kind': 'seq2seq', 'place': 'data/translator'}
    config.train.steps = 0
    config.train.epochs = 1.0
    config.train.batch_rows = 16  # on each device, 2 at a time and 8 times; on n devices 16 n
    config.train.row_tokens = 500
    config.train.pad = True
    config.train.learning_rate = 2e-5
    config.train.schedule = 'rising'
    config.train.warmup_steps = 0
    config.train.weight_decay = 0.01
    config.train.compute_dtype = 'bfloat16'
    config.train.snapshots = SNAPSHOTS if corpus == 'wikitext103' else ()
    config.train.checkpoint_every = 100
    config.train.log_every = 10
    config.score.letter_tokens = 'published'
    config.tasks = tasks()
    return config


def tasks(source: str = 'data') -> dict[str, Any]:
    """MMLU in nine variants, without demonstrations and with five, and the Harry Potter Quiz.

    Args:
      source: see chua_mmlu.
    """
    asked = chua_mmlu.tasks(source, ('mmlu', 'mmlu_5_english', 'mmlu_5_same'))
    return {**asked, **chua_hp.get_config().tasks.to_dict()}
