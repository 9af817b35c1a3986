"""Model sources that are folders and files. Nothing leaves the host."""

import os

import pytest

from xlbarrier import datafiles
from xlbarrier.models.source import SourceError, resolve


def test_a_pipe_among_the_weights_is_not_waited_for(tmp_path):
    (tmp_path / 'config.json').write_text('{}')
    os.mkfifo(tmp_path / 'model.safetensors')
    with pytest.raises(datafiles.DataError, match=r'model\.safetensors is a pipe'):
        resolve(str(tmp_path))


def test_a_folder_and_a_file_are_taken_as_they_are(tmp_path, monkeypatch):
    (tmp_path / 'model').mkdir()
    for name in ('model.safetensors', 'config.json'):
        (tmp_path / 'model' / name).write_bytes(b'x')
    (tmp_path / 'a.gguf').write_bytes(b'GGUF')
    monkeypatch.chdir(tmp_path)
    assert resolve('model') == tmp_path / 'model'
    assert resolve('a.gguf') == tmp_path / 'a.gguf'
    assert resolve(str(tmp_path / 'a.gguf')) == tmp_path / 'a.gguf'


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        ((), r"'m': the folder .*m has no \*\.safetensors file; it contains: nothing"),
        (('config.json', 'a.txt'), r'it contains: a\.txt, config\.json'),
        (('pytorch_model.bin', 'config.json'), r'pickled checkpoints, which can run code'),
        (('consolidated.00.pth', 'config.json'), r'00\.pth is also not named pytorch_model'),
        (('x.Q8_0.gguf',), r'name the GGUF file itself: .*m/x\.Q8_0\.gguf'),
        (('model.safetensors',), r'm has no config\.json'),
    ],
)
def test_a_folder_without_a_model(tmp_path, monkeypatch, names, message):
    (tmp_path / 'm').mkdir()
    for name in names:
        (tmp_path / 'm' / name).write_bytes(b'')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=message):
        resolve('m')


def test_a_path_that_is_not_there_or_no_model(tmp_path):
    with pytest.raises(SourceError, match=r'nowhere. does not exist; expected a folder, a \.gguf'):
        resolve(str(tmp_path / 'nowhere'))
    (tmp_path / 'model.bin').write_bytes(b'')
    with pytest.raises(SourceError, match=r'model\.bin. is neither a folder nor a \.gguf file'):
        resolve(str(tmp_path / 'model.bin'))
