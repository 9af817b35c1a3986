"""A corpus translated by Apache Beam: the bytes of the ordinary build, also after a failure.

Needs apache-beam, which has an environment of its own (the extra `beam`); skipped elsewhere, except
what needs no pipeline.
"""

import dataclasses
import functools
import hashlib
import sys

import pytest

from tests.corpus_translators import content, marked
from tests.test_corpus_from_text import build, config, small_pieces, text_file
from xlbarrier.corpus import beam as beam_lib
from xlbarrier.corpus import build as corpus
from xlbarrier.errors import InputError, StateError

__all__ = ['small_pieces', 'text_file']


def with_beam(path, **fields):
    made = config(path, **fields)
    translator = dataclasses.replace(
        made.translator, runner='DirectRunner', runner_options='--direct_num_workers=1'
    )
    return dataclasses.replace(made, translator=translator)


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.glob('shard-*'))}  # fmt: skip


@pytest.mark.parametrize('wave', [3, 1000])
def test_the_bytes_are_those_of_a_build_without_beam(
    text_file, tmp_path, small_pieces, monkeypatch, wave
):
    pytest.importorskip('apache_beam')
    monkeypatch.setattr(beam_lib, 'WAVE', wave)
    for name in ('plain', 'beam'):
        (tmp_path / name).mkdir()
    plain = build(config(text_file), 'mixed', tmp_path / 'plain/mixed')
    made = build(with_beam(text_file), 'mixed', tmp_path / 'beam/mixed')
    assert digests(plain) == digests(made) and len(digests(made)) > 1
    assert content(plain) == content(made)
    assert not (tmp_path / 'beam/mixed.beam').exists()


def test_batches_are_answered_once_each_and_kept_after_a_failure(tmp_path, monkeypatch):
    """Without Beam: the pipeline is a loop here, which fails at its second batch."""
    monkeypatch.setitem(sys.modules, 'apache_beam', type(sys)('apache_beam'))
    make = functools.partial(marked, tmp_path / 'cache.sqlite')
    ran = []

    def pipeline(make, places, runner, options):
        translator = make()
        for place in places:
            ran.append(place)
            if len(ran) == 2:
                raise StateError('worker lost')
            beam_lib.translate_file(translator, place)
        translator.close()

    monkeypatch.setattr(beam_lib, 'run_pipeline', pipeline)
    batches = [[('de', 'one'), ('fr', 'two')], [('de', 'three'), ('de', 'three')], []]

    def answers():
        with beam_lib.BeamTranslators(make, 'en', tmp_path / 'b', 'DirectRunner', '') as works:
            waiting = [works.submit(batch) for batch in batches]
            return [get() for get in waiting]

    with pytest.raises(StateError):
        answers()
    found = answers()
    assert len(ran) == 3 and len(set(ran)) == 2, 'the first batch is not translated again'
    assert [set(each) for each in found] == [set(batch) for batch in batches]
    assert not (tmp_path / 'b').exists()


def test_without_beam_the_extra_is_named(text_file, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'apache_beam', None)
    make = functools.partial(marked, tmp_path / 'cache.sqlite')
    with pytest.raises(InputError, match=r"pip install 'xlbarrier\[beam\]'"):
        corpus.build(with_beam(text_file), 'mixed', tmp_path / 'mixed', make=make)
