"""This project and transformers + torch on one accelerator: training, scoring, writing.

    python benchmarks/accelerator.py [--seconds=235] [--parts=train,long,letters,...] [--tiny]

Random weights of published shapes (Llama-3.2-1B, Llama-3-8B), bfloat16 arithmetic. Each part runs
ours and the peer's in turn, each in a process of its own, so that peaks of memory are their own:

    train     full AdamW of the 1B, float32 weights, 4 rows of 2,048 tokens, eight texts a row
    long      the same, 2 rows of 4,096 tokens
    lora      LoRA of rank 16 on q, k, v, o of the 8B, 2 rows of 2,048 tokens
    letters   questions with demonstrations that 64 of them share, four letters each; the 8B
    options   questions with four options of 2 to 8 tokens and no demonstrations; the 8B
    generate  64 prompts that share demonstrations, 32 tokens each; the 8B

The peer trains with torch.compile, sdpa, autocast, fused AdamW and checkpointing, causal over whole
rows; it scores sorted batches, with logits where they are asked for; it writes with its static
batch. Ours takes every default. MFU counts 6 operations a parameter and token (4 for LoRA) and the
causal half of attention, against a bfloat16 product measured in the same process. A part that the
time left does not allow is left out and named. --tiny: small shapes, for a look on a CPU.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np

PACKAGES = ('jax', 'flax', 'optax', 'tokamax', 'torch', 'transformers', 'triton')
SHAPES = {  # vocabulary, layers, d_model, heads, kv heads, head, ffn, tied
    '1b': (128_256, 16, 2048, 32, 8, 64, 8192, True),
    '8b': (128_256, 32, 4096, 32, 8, 128, 14_336, False),
    'tiny': (512, 2, 64, 4, 2, 16, 128, True),
}
PARTS = {  # model, rows, tokens of a row; what each side needs, seconds
    'train': ('1b', 4, 2048, 30, 90),
    'long': ('1b', 2, 4096, 30, 90),
    'letters': ('8b', 256, 600, 40, 30),
    'options': ('8b', 256, 0, 40, 30),
    'lora': ('8b', 2, 2048, 40, 60),
    'generate': ('8b', 64, 600, 40, 30),
}
SIDES = ('ours', 'peer')
WRITTEN, STEPS = 32, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--seconds', type=float, default=235)
    parser.add_argument('--parts', default=','.join(PARTS))
    parser.add_argument('--sides', default=','.join(SIDES))
    parser.add_argument('--tiny', action='store_true')
    parser.add_argument('--worker', choices=SIDES)
    parser.add_argument('--answer', type=pathlib.Path)
    args = parser.parse_args()
    if args.worker:
        part = args.parts
        work = {'ours': Ours, 'peer': Peer}[args.worker](args.tiny)
        kind = part if part in ('letters', 'options', 'generate') else 'train'
        answer = getattr(work, kind)(part)
        args.answer.write_text(json.dumps(answer | work.after()))
        return
    print(', '.join(f'{name} {version(name)}' for name in PACKAGES), flush=True)
    print(f'{"part":9} {"side":5} {"rate":>18} {"MFU":>5} {"peak GiB":>8} {"compile s":>9}')
    compare(args, time.monotonic() + args.seconds)


def compare(args: argparse.Namespace, until: float) -> None:
    """Runs the parts in turn and prints a line of each side, and their ratio."""
    for part in args.parts.split(','):
        rates = {}
        for side in args.sides.split(','):
            left = until - time.monotonic()
            if left < (5 if args.tiny else PARTS[part][3 + SIDES.index(side)] / 2):
                print(f'{part:9} {side:5} left out: {left:.0f} s left', flush=True)
                continue
            answer = run(part, side, args.tiny, left)
            if answer is None:
                continue
            rates[side] = answer['rate']
            mfu = f'{100 * answer["mfu"]:4.0f}%' if answer.get('mfu') else '    -'
            rate = f'{answer["rate"]:,.1f} {answer["unit"]}/s'
            print(
                f'{part:9} {side:5} {rate:>18} {mfu} {answer["peak"] / 2**30:8.1f}'
                f' {answer["compile"]:9.1f}  {answer["note"]}',
                flush=True,
            )
        if len(rates) == 2:
            print(f'{part:9} ours / peer {rates["ours"] / rates["peer"]:.2f}', flush=True)


def run(part: str, side: str, tiny: bool, seconds: float) -> dict[str, Any] | None:
    """A worker's answer; None, and a line that says why, where it gives none."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, 'answer.json')
        command = [sys.executable, __file__, f'--worker={side}', f'--parts={part}']
        command += [f'--answer={path}'] + ['--tiny'] * tiny
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            print(f'{part:9} {side:5} stopped after {seconds:.0f} s', flush=True)
            return None
        if ended.returncode or not path.exists():
            last = (ended.stderr.strip().splitlines() or ['no message'])[-1]
            print(f'{part:9} {side:5} failed: {last[:300]}', flush=True)
            return None
        return json.loads(path.read_text())


def sizes(part: str, tiny: bool) -> tuple[str, int, int]:
    """Model, rows and tokens of a part."""
    model, rows, tokens = PARTS[part][:3]
    return ('tiny', min(rows, 8), min(tokens, 64)) if tiny else (model, rows, tokens)


def flops_a_token(shape: str, tokens: int, lora: bool) -> float:
    """Operations of a training step for each token, as the page's head counts them."""
    V, L, D, N, K, H, F, _ = SHAPES[shape]
    count = V * D + L * (D * H * (2 * N + 2 * K) + 3 * D * F)
    return (4 if lora else 6) * (count + L * N * H * tokens)


def training_rows(shape: str, rows: int, tokens: int) -> dict[str, np.ndarray]:
    """Packed rows of eight texts of unequal lengths, the same for both sides."""
    rng = np.random.default_rng(0)
    ends = np.sort(rng.choice(np.arange(1, tokens), (rows, 7), replace=False), axis=1)
    index = np.arange(tokens)
    number = (index[None, :, None] >= ends[:, None, :]).sum(-1)
    edges = np.concatenate([np.zeros((rows, 1), int), ends, np.full((rows, 1), tokens)], 1)
    first = np.take_along_axis(edges, number, 1)
    return {
        'tokens': rng.integers(3, SHAPES[shape][0], (rows, tokens)).astype(np.int32),
        'positions': (index - first).astype(np.int32),
        'until': (np.take_along_axis(edges, number + 1, 1) - 1).astype(np.int32),
        'weights': (index != first).astype(np.float32),
    }


def questions(part: str, tiny: bool, seed: int) -> list[tuple[list[int], list[list[int]]]]:
    """(context, continuations) of each question; demonstrations are shared by 64 in a row."""
    shape, count, shared = sizes(part, tiny)
    rng = np.random.default_rng(seed)

    def draw(n: int) -> list[int]:
        return rng.integers(3, SHAPES[shape][0], n).tolist()

    asked: list[tuple[list[int], list[list[int]]]] = []
    for number in range(count):
        if number % 64 == 0:
            demonstrations = draw(shared)
        own = draw(int(rng.integers(20, 40) if tiny else rng.integers(60, 140)))
        if part == 'options':
            options = [draw(int(n)) for n in rng.integers(2, 9, 4)]
        else:
            options = [[3], [4], [5], [6]]
        asked.append((demonstrations + own, options))
    return asked


class Ours:
    """This project, as its user calls it."""

    def __init__(self, tiny: bool):
        import jax

        from xlbarrier import mesh

        self._tiny = tiny
        self._device = jax.devices()[0]
        self._mesh = mesh.make_mesh(1, 1, 1, devices=[self._device])
        self.product = self._product()

    def _product(self) -> float:
        import jax
        import jax.numpy as jnp

        n = 256 if self._tiny else 8192
        square = jnp.ones((n, n), jnp.bfloat16)
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

    def train(self, part: str) -> dict[str, Any]:
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
        state = step.init_state(params, config)
        del params

        def update(state: Any) -> tuple[Any, Any]:
            laid = step.put_microbatches(batch, self._mesh, 1)
            with jax.set_mesh(self._mesh):
                return step.train_step(
                    state, frozen, laid, graph=graph, config=config, documents=documents
                )

        began = time.perf_counter()
        state, numbers = update(state)
        jax.block_until_ready(numbers)
        compiled = time.perf_counter() - began
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

    def _trained(self, part: str, rate: float, compiled: float, note: str) -> dict[str, Any]:
        shape, _, tokens = sizes(part, self._tiny)
        flops = flops_a_token(shape, tokens, part == 'lora')
        note += f', product {self.product / 1e12:.0f} TFLOP/s'
        found = {'rate': rate, 'unit': 'tokens', 'compile': compiled, 'note': note}
        return found | {'mfu': rate * flops / self.product}

    def letters(self, part: str) -> dict[str, Any]:
        from xlbarrier.scoring import engine
        from xlbarrier.scoring.request import Request

        decoder = self._decoder(sizes(part, self._tiny)[0], 'bfloat16')

        def ask(seed: int) -> int:
            asked = questions(part, self._tiny, seed)
            requests = [Request(c, o) for c, options in asked for o in options]
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
        decoder = self._decoder(shape, 'bfloat16')
        words = {f'w{i}': i for i in range(SHAPES[shape][0])}
        model = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token='w0'))
        tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=model, eos_token='w2')

        def ask(seed: int) -> int:
            prompts = [context for context, _ in questions(part, self._tiny, seed)]
            written = generate(decoder, tokenizer, prompts, Ends(WRITTEN), mesh=self._mesh)
            return sum(len(w.tokens) for w in written)

        return self._timed(ask, 'tokens')

    def _timed(self, ask: Callable[[int], int], unit: str) -> dict[str, Any]:
        """The second call's rate; the first one compiles."""
        began = time.perf_counter()
        ask(0)
        first, began = time.perf_counter() - began, time.perf_counter()
        count = ask(1)
        seconds = time.perf_counter() - began
        note = f'{count} {unit} in {seconds:.2f} s'
        return {'rate': count / seconds, 'unit': unit, 'compile': first - seconds, 'note': note}


class Peer(Ours):
    """transformers + torch."""

    def __init__(self, tiny: bool):
        import torch

        self._tiny = tiny
        self._on = 'cuda' if torch.cuda.is_available() else 'cpu'
        torch.set_float32_matmul_precision('high')
        self.product = self._product()

    def _wait(self) -> None:
        import torch

        if self._on == 'cuda':
            torch.cuda.synchronize()

    def _product(self) -> float:
        import torch

        n = 256 if self._tiny else 8192
        square = torch.ones((n, n), dtype=torch.bfloat16, device=self._on)
        square @ square
        self._wait()
        began = time.perf_counter()
        for _ in range(20):
            square @ square
        self._wait()
        return 20 * 2 * n**3 / (time.perf_counter() - began)

    def after(self) -> dict[str, Any]:
        import torch

        return {'peak': torch.cuda.max_memory_allocated() if self._on == 'cuda' else 0}

    def _model(self, shape: str, dtype: str) -> Any:
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        V, L, D, N, K, H, F, tied = SHAPES[shape]
        config = LlamaConfig(
            vocab_size=V, num_hidden_layers=L, hidden_size=D, num_attention_heads=N,
            num_key_value_heads=K, head_dim=H, intermediate_size=F, tie_word_embeddings=tied,
            max_position_embeddings=8192, rope_theta=500_000.0, eos_token_id=None,
            attn_implementation='sdpa',
        )  # fmt: skip
        before = torch.get_default_dtype()
        torch.set_default_dtype(getattr(torch, dtype))
        try:
            with torch.device(self._on):
                return LlamaForCausalLM(config)
        finally:
            torch.set_default_dtype(before)

    def train(self, part: str) -> dict[str, Any]:
        import torch

        shape, rows, tokens = sizes(part, self._tiny)
        model = self._model(shape, 'bfloat16' if part == 'lora' else 'float32')
        model.gradient_checkpointing_enable({'use_reentrant': False})
        if part == 'lora':
            with_adapters(model)
        model.train()
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=self._on == 'cuda', weight_decay=0.0)
        compiled_model = torch.compile(model)
        ids = torch.from_numpy(training_rows(shape, rows, tokens)['tokens']).long().to(self._on)

        def update() -> Any:
            with torch.autocast(self._on, torch.bfloat16):
                loss = compiled_model(input_ids=ids, labels=ids, use_cache=False).loss
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            return loss

        began = time.perf_counter()
        float(update())
        self._wait()
        compiled = time.perf_counter() - began
        first = float(update())
        self._wait()
        began = time.perf_counter()
        for _ in range(STEPS):
            loss = update()
        self._wait()
        rate = STEPS * rows * tokens / (time.perf_counter() - began)
        return self._trained(part, rate, compiled, f'loss {first:.3f} to {float(loss):.3f}')

    def letters(self, part: str) -> dict[str, Any]:
        import torch

        model = self._model(sizes(part, self._tiny)[0], 'bfloat16').eval()

        @torch.inference_mode()
        def ask(seed: int) -> int:
            asked = questions(part, self._tiny, seed)
            if part == 'letters':  # one prompt a question: its next token's logits say all
                rows = [(context, [[o[0] for o in options]]) for context, options in asked]
            else:
                each = [(c, o) for c, options in asked for o in options]
                rows = [(context + o[:-1], [[token] for token in o]) for context, o in each]
            rows.sort(key=lambda row: -len(row[0]))
            for start in range(0, len(rows), 32):
                some = rows[start : start + 32]
                longest = len(some[0][0])
                ids = torch.zeros((len(some), longest), dtype=torch.long)
                for number, (context, _) in enumerate(some):
                    ids[number, : len(context)] = torch.tensor(context)
                hidden = model.model(ids.to(self._on), use_cache=False).last_hidden_state
                # Rows are padded on the right: causal attention needs no mask of the padding.
                places = [
                    (number, len(context) - len(tokens) + i)
                    for number, (context, tokens) in enumerate(some)
                    for i in range(len(tokens))
                ]
                at = torch.tensor(places).to(self._on)
                logits = model.lm_head(hidden[at[:, 0], at[:, 1]]).float().log_softmax(-1)
                logits[:, 3:7].cpu()
            return len(asked)

        return self._timed(ask, 'questions')

    options = letters

    def generate(self, part: str) -> dict[str, Any]:
        import torch

        model = self._model(sizes(part, self._tiny)[0], 'bfloat16').eval()

        @torch.inference_mode()
        def ask(seed: int) -> int:
            prompts = [context for context, _ in questions(part, self._tiny, seed)]
            longest = max(map(len, prompts))
            ids = torch.zeros((len(prompts), longest), dtype=torch.long)
            seen = torch.zeros_like(ids)
            for number, prompt in enumerate(prompts):
                ids[number, longest - len(prompt) :] = torch.tensor(prompt)
                seen[number, longest - len(prompt) :] = 1
            model.generate(
                ids.to(self._on), attention_mask=seen.to(self._on), do_sample=False,
                max_new_tokens=WRITTEN, min_new_tokens=WRITTEN, pad_token_id=0,
            )  # fmt: skip
            return len(prompts) * WRITTEN

        return self._timed(ask, 'tokens')


def with_adapters(model: Any, rank: int = 16) -> None:
    """Freezes a transformers model and puts LoRA on its q, k, v and o maps."""
    import torch

    class Adapted(torch.nn.Module):
        def __init__(self, base: Any):
            super().__init__()
            self.base = base
            like = dict(device=base.weight.device, dtype=torch.float32)
            self.a = torch.nn.Parameter(torch.randn(rank, base.in_features, **like) / 64)
            self.b = torch.nn.Parameter(torch.zeros(base.out_features, rank, **like))

        def forward(self, x: Any) -> Any:
            low = torch.nn.functional.linear(x, self.a)
            return self.base(x) + 2 * torch.nn.functional.linear(low, self.b)

    model.requires_grad_(False)
    model.enable_input_require_grads()
    for layer in model.model.layers:
        for name in ('q_proj', 'k_proj', 'v_proj', 'o_proj'):
            setattr(layer.self_attn, name, Adapted(getattr(layer.self_attn, name)))


def version(name: str) -> str:
    """Of an installed package."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return 'absent'


if __name__ == '__main__':
    os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')
    main()
