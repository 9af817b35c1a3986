"""Real tiny encoder-decoder models: trained for seconds, converted by CTranslate2's converter."""

import json
import pathlib
import shutil
from dataclasses import dataclass
from typing import Any

import sentencepiece
import torch
from ctranslate2.converters import TransformersConverter

ENGLISH = [
    'The cat sleeps in the house.',
    'A dog walks to the river.',
    'The dog sleeps.',
    'A cat walks in the house.',
]
GERMAN = [
    'Die Katze schläft im Haus.',
    'Ein Hund geht zum Fluss.',
    'Der Hund schläft.',
    'Eine Katze geht im Haus.',
]
FRENCH = [
    'Le chat dort dans la maison.',
    'Un chien marche vers la rivière.',
    'Le chien dort.',
    'Un chat marche dans la maison.',
]
SIZES = {
    'd_model': 32,
    'encoder_layers': 1,
    'decoder_layers': 1,
    'encoder_attention_heads': 4,
    'decoder_attention_heads': 4,
    'encoder_ffn_dim': 64,
    'decoder_ffn_dim': 64,
    'max_position_embeddings': 64,
    'dropout': 0.0,
    'init_std': 0.1,
    'scale_embedding': True,
}


@dataclass
class Tiny:
    """A model of transformers, its tokenizer, and the folder of the converted one."""

    model: Any
    tokenizer: Any
    folder: pathlib.Path

    def generate(self, text: str, beam: int, **more: Any) -> str:
        """What transformers makes of a text; as with us, never an unknown token."""
        unknown = self.tokenizer.unk_token_id
        made = self.model.generate(
            **self.tokenizer([text], return_tensors='pt'),
            num_beams=beam,
            do_sample=False,
            max_new_tokens=40,
            bad_words_ids=[[unknown], [self.tokenizer.pad_token_id]],
            **more,
        )
        return self.tokenizer.decode(made[0], skip_special_tokens=True)


def pieces_of(path: pathlib.Path, kind: str) -> list[str]:
    """Trains a SentencePiece model on the sentences; its pieces but the special ones."""
    lines = path.with_suffix('.txt')
    lines.write_text('\n'.join(20 * (ENGLISH + GERMAN + FRENCH)), encoding='utf-8')
    sentencepiece.SentencePieceTrainer.train(
        input=str(lines),
        model_prefix=str(path.with_suffix('')),
        vocab_size=60,
        model_type=kind,
        character_coverage=1.0,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    path.with_suffix('.model').rename(path)
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return [model.id_to_piece(i) for i in range(3, len(model))]


def train(model, batches: list, steps: int, pad: int) -> None:
    """Adam on (inputs, labels); the padding's embedding stays zero, as in published models."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more of them wait for each other on so small a model
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    for step in range(steps):
        batch = dict(batches[step % len(batches)])
        batch['labels'] = batch['labels'].masked_fill(batch['labels'] == pad, -100)
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()
        with torch.no_grad():
            model.get_input_embeddings().weight[pad] = 0
    model.eval()
    torch.set_num_threads(threads)


def converted(model, tokenizer, raw: pathlib.Path, folder: pathlib.Path, files) -> Tiny:
    """Saves and converts a model."""
    model.save_pretrained(raw)
    tokenizer.save_pretrained(raw)
    TransformersConverter(str(raw), copy_files=files).convert(str(folder))
    return Tiny(model, tokenizer, folder)


def marian(folder: pathlib.Path, targets: dict[str, list[str]], codes=()) -> Tiny:
    """A Marian model from English; with `codes`, of several targets, as '>>deu<<' says."""
    from transformers import MarianConfig, MarianMTModel, MarianTokenizer

    raw = folder.with_name(folder.name + '-raw')
    raw.mkdir(parents=True)
    names = [f'>>{code}<<' for code in codes]
    pieces = pieces_of(raw / 'source.spm', 'unigram')
    shutil.copy(raw / 'source.spm', raw / 'target.spm')
    tokens = ['</s>', '<unk>', *pieces, *names, '<pad>']
    (raw / 'vocab.json').write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    tokenizer = MarianTokenizer(*(str(raw / n) for n in ('source.spm', 'target.spm', 'vocab.json')))
    pad = len(tokens) - 1
    torch.manual_seed(0)
    model = MarianMTModel(
        MarianConfig(
            vocab_size=len(tokens),
            pad_token_id=pad,
            decoder_start_token_id=pad,
            eos_token_id=0,
            forced_eos_token_id=None,
            **SIZES,
        )
    )
    batches = []
    for code, lines in targets.items():
        before = f'>>{code}<< ' if codes else ''
        english = [before + line for line in ENGLISH]
        batches.append(tokenizer(english, text_target=lines, return_tensors='pt', padding=True))
    train(model, batches, 90 * len(batches), pad)
    return converted(model, tokenizer, raw, folder, ['source.spm', 'target.spm'])


def multilingual(folder: pathlib.Path, family: str, codes: dict[str, list[str]]) -> Tiny:
    """An M2M-100 model whose languages are `__de__` ('m2m100') or `deu_Latn` ('nllb')."""
    from transformers import (
        M2M100Config,
        M2M100ForConditionalGeneration,
        M2M100Tokenizer,
        NllbTokenizer,
    )

    raw = folder.with_name(folder.name + '-raw')
    raw.mkdir(parents=True)
    spm = raw / 'sentencepiece.bpe.model'
    pieces = pieces_of(spm, 'bpe')
    source, *others = codes
    if family == 'm2m100':
        from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES as KNOWN

        tokens = ['<s>', '<pad>', '</s>', '<unk>', *pieces]
        (raw / 'vocab.json').write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
        tokenizer = M2M100Tokenizer(str(raw / 'vocab.json'), str(spm), src_lang=source)
        names = [f'__{code}__' for code in KNOWN['m2m100']]
    else:
        from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES as KNOWN

        (raw / 'tokenizer_config.json').write_text('{"tokenizer_class": "NllbTokenizer"}')
        tokenizer = NllbTokenizer.from_pretrained(raw)
        names = KNOWN
    # Published tokenizers hold the languages, and where they lie the converter looks for them.
    tokenizer.add_special_tokens({'extra_special_tokens': list(names)})
    tokenizer.src_lang = source
    torch.manual_seed(0)
    model = M2M100ForConditionalGeneration(
        M2M100Config(
            vocab_size=len(tokenizer) + (8 if family == 'm2m100' else 0),
            pad_token_id=1,
            decoder_start_token_id=2,
            eos_token_id=2,
            encoder_layerdrop=0.0,
            decoder_layerdrop=0.0,
            **SIZES,
        )
    )
    batches = []
    for code in others:
        tokenizer.tgt_lang = code
        batches.append(
            tokenizer(codes[source], text_target=codes[code], return_tensors='pt', padding=True)
        )
    train(model, batches, 100 * len(batches), 1)
    return converted(model, tokenizer, raw, folder, ['sentencepiece.bpe.model'])
