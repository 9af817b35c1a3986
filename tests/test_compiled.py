"""Programs compiled with the options of a platform."""

import jax
import jax.numpy as jnp
import pytest

from xlbarrier import compiled

NAME = 'xla_gpu_enable_triton_gemm'


@pytest.fixture
def given(monkeypatch):
    """What `jax.jit` is given, by platform."""
    found, jit = {}, jax.jit

    def noted(function, *, compiler_options, **how):
        found[compiled.platform()] = compiler_options
        return jit(function, compiler_options=compiler_options, **how)

    monkeypatch.setattr(jax, 'jit', noted)
    monkeypatch.delenv('XLA_FLAGS', raising=False)
    return found


def on(platform, monkeypatch):
    monkeypatch.setattr(compiled, 'platform', lambda: platform)


def test_each_platform_has_its_options_and_its_program(given, monkeypatch):
    program = compiled.jit(lambda x, n: x + n, static_argnums=1)
    for platform in ('cpu', 'gpu', 'cpu', 'tpu'):
        on(platform, monkeypatch)
        assert program(jnp.ones(3), 2).tolist() == [3, 3, 3]
        assert program.here._cache_size() == 1
    assert given == {'cpu': None, 'gpu': {NAME: False}, 'tpu': None}


def test_what_the_user_set_is_left_alone(given, monkeypatch):
    monkeypatch.setenv('XLA_FLAGS', f'--xla_dump_to=/tmp --{NAME}=true')
    on('gpu', monkeypatch)
    assert compiled.jit(lambda x: x)(jnp.ones(1)).tolist() == [1]
    assert given == {'gpu': None}


def test_the_compiler_knows_the_options():
    for options in compiled.OPTIONS.values():
        # A name that it does not know is an error on every platform.
        assert jax.jit(lambda x: x + 1, compiler_options=options)(jnp.ones(1)).tolist() == [2]
    with pytest.raises(jax.errors.JaxRuntimeError, match='No such compile option'):
        jax.jit(lambda x: x + 1, compiler_options={'xla_gpu_no_such': True})(jnp.ones(1))


def test_it_keeps_the_name_and_the_docstring():
    def doubled(x):
        """Twice x."""
        return 2 * x

    program = compiled.jit(doubled)
    assert (program.__name__, program.__doc__) == ('doubled', 'Twice x.')
    assert program.function is doubled
