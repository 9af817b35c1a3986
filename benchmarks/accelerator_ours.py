"""This project's side of benchmarks/accelerator.py."""

import array
import pathlib
import tempfile
import time
from collections.abc import Callable
from typing import Any

from accelerator import (
    EVERY,
    SHAPES,
    STEPS,
    WRITTEN,
    flops_a_token,
    questions,
    sizes,
    training_rows,
    work,
)


class Ours:
    """This project, as its user calls it."""

    def __init__(self, tiny: bool):
        import jax

        from xlbarrier import mesh

        self._tiny = tiny
        self._model_asked: Any = None
        self._device = jax.devices()[0]
        self._mesh = mesh.make_mesh(1, 1, 1, devices=[self._device])
        self.product = self._product()

    def _product(self) -> float:
        import jax
        import jax.numpy as jnp

        n = 256 if self._tiny else 8192
        square = jax.random.normal(jax.random.key(0), (n, n), jnp.bfloat16)
        multiply = jax.jit(lambda a, b: a @ b)
        multiply(square, square).block_until_ready()
        began = time.perf_counter()
        for _ in range(20):
            out = multiply(square, square)
        out.block_until_ready()
        return 20 * 2 * n**3 / (time.perf_counter() - began)

    def after(self) -> dict[str, Any]:
        """What every answer has."""
        stats = self._device.memory_stats() or {}
        return {'peak': stats.get('peak_bytes_in_use', 0)}

    def _decoder(self, shape: str, param_dtype: str) -> Any:
        from xlbarrier.models import load
        from xlbarrier.models.config import DecoderConfig, Rope

        V, L, D, N, K, H, F, tied = SHAPES[shape]
        config = DecoderConfig(
            family='llama',
            vocab_size=V,
            num_layers=L,
            d_model=D,
            num_heads=N,
            num_kv_heads=K,
            head_dim=H,
            d_ff=F,
            norm_eps=1e-5,
            tied=tied,
            max_positions=8192,
            rope=Rope(500_000.0),
        )
        return load.init_decoder(
            config, self._mesh, param_dtype=param_dtype, compute_dtype='bfloat16'
        )

    def _training(self, part: str) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
        """A training's first state, and its update: of a state, the next one and its numbers."""
        import jax

        from xlbarrier.config import TrainConfig
        from xlbarrier.models import kernels, lora
        from xlbarrier.train import step

        shape, rows, tokens = sizes(part, self._tiny)
        method = 'lora' if part == 'lora' else 'full'
        decoder = self._decoder(shape, 'bfloat16' if method == 'lora' else 'float32')
        config = TrainConfig(
            method=method, steps=1000, batch_rows=rows, row_tokens=tokens, warmup_steps=0,
            compute_dtype='bfloat16',
        )  # fmt: skip
        decoder.remat = config.remat
        if method == 'lora':
            lora.add_lora(decoder, config.lora_rank, config.lora_alpha, config.lora_targets, 0)
        graph, params, frozen = step.split_decoder(decoder, config)
        del decoder
        batch = training_rows(shape, rows, tokens)
        documents = 1 << (kernels.count_segments(batch['until']) - 1).bit_length()

        def update(state: Any) -> tuple[Any, Any]:
            laid = step.put_microbatches(batch, self._mesh, 1)
            with jax.set_mesh(self._mesh):
                return step.train_step(
                    state, frozen, laid, graph=graph, config=config, documents=documents
                )

        return step.init_state(params, config), update

    def _begun(self, part: str) -> tuple[Any, Callable[[Any], tuple[Any, Any]], float]:
        """A training after its first update: state, update, and the seconds of the first."""
        import jax

        state, update = self._training(part)
        began = time.perf_counter()
        state, numbers = update(state)
        jax.block_until_ready(numbers)
        return state, update, time.perf_counter() - began

    def train(self, part: str) -> dict[str, Any]:
        import jax

        _, rows, tokens = sizes(part, self._tiny)
        state, update, compiled = self._begun(part)
        state, numbers = update(state)
        first = float(numbers['nats'] / numbers['weight'])
        jax.block_until_ready(state)
        began = time.perf_counter()
        for _ in range(STEPS):
            state, numbers = update(state)
        loss = float(numbers['nats'] / numbers['weight'])
        jax.block_until_ready(state)
        rate = STEPS * rows * tokens / (time.perf_counter() - began)
        return self._trained(part, rate, compiled, f'loss {first:.3f} to {loss:.3f}')

    def save(self, part: str) -> dict[str, Any]:
        import jax

        from xlbarrier.train.checkpoint import Checkpoints

        _, rows, tokens = sizes(part, self._tiny)
        state, update, compiled = self._begun(part)
        seconds = []
        with tempfile.TemporaryDirectory() as folder:
            with Checkpoints(pathlib.Path(folder), state.params, beside=True) as checkpoints:
                for saves in (0, 0, 1):  # the first of them is not counted
                    began = time.perf_counter()
                    for _ in range(saves):
                        with jax.set_mesh(self._mesh):
                            checkpoints.save(state, {})
                        called = time.perf_counter() - began
                    for _ in range(EVERY):
                        state, numbers = update(state)
                        float(numbers['nats'])  # as the training's log
                    jax.block_until_ready(state)
                    seconds.append(time.perf_counter() - began)
                began = time.perf_counter()
            written = time.perf_counter() - began
        _, without, with_save = seconds
        size = sum(x.nbytes for x in jax.tree.leaves((state.params, state.optimizer)))
        note = (
            f'{with_save / without - 1:+.1%} for a save of {size / 1e9:.1f} GB in {EVERY} updates;'
            f' the call took {called:.2f} s, the rest {written:.1f} s after them'
        )
        rate = EVERY * rows * tokens / with_save
        return {'rate': rate, 'unit': 'tokens', 'compile': compiled, 'note': note}

    def _trained(self, part: str, rate: float, compiled: float, note: str) -> dict[str, Any]:
        shape, _, tokens = sizes(part, self._tiny)
        flops = flops_a_token(shape, tokens, part == 'lora')
        note += f', product {self.product / 1e12:.0f} TFLOP/s'
        found = {'rate': rate, 'unit': 'tokens', 'compile': compiled, 'note': note}
        return found | {'mfu': rate * flops / self.product}

    def _asked(self, part: str) -> Any:
        """The model that is asked, created once."""
        if self._model_asked is None:
            self._model_asked = self._decoder(sizes(part, self._tiny)[0], 'bfloat16')
        return self._model_asked

    def letters(self, part: str) -> dict[str, Any]:
        from xlbarrier.scoring import engine
        from xlbarrier.scoring.request import Request

        decoder = self._asked(part)

        asked = questions(part, self._tiny, seed=1)

        def ask() -> int:
            requests = []
            for context, options in asked:
                ids = array.array('i', context)
                requests += [Request(ids, option) for option in options]
            scores = engine.score(decoder, requests, mesh=self._mesh)
            assert len(scores) == len(requests)
            return len(asked)

        return self._timed(ask, 'questions')

    options = letters

    def generate(self, part: str) -> dict[str, Any]:
        import tokenizers
        import transformers

        from xlbarrier.scoring.generate import Ends, generate

        shape = sizes(part, self._tiny)[0]
        decoder = self._asked(part)
        words = {f'w{i}': i for i in range(SHAPES[shape][0])}
        model = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token='w0'))
        tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=model, eos_token='w2')

        prompts = [context for context, _ in questions(part, self._tiny, seed=1)]

        def ask() -> int:
            written = generate(decoder, tokenizer, prompts, Ends(WRITTEN), mesh=self._mesh)
            return sum(len(w.tokens) for w in written)

        return self._timed(ask, 'tokens')

    def _timed(self, ask: Callable[[], int], unit: str) -> dict[str, Any]:
        """The rate of the second of two equal calls; the first one compiles, as a long run does."""
        began = time.perf_counter()
        ask()
        first, began = time.perf_counter() - began, time.perf_counter()
        count = ask()
        seconds = time.perf_counter() - began
        note = f'{count} {unit} in {seconds:.2f} s'
        return {'rate': count / seconds, 'unit': unit, 'compile': first - seconds, 'note': note}


if __name__ == '__main__':
    work(Ours)
