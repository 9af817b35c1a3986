"""The side of transformers + torch of benchmarks/accelerator.py."""

import time
from typing import Any

from accelerator import SHAPES, STEPS, WRITTEN, questions, sizes, training_rows, work
from accelerator_ours import Ours


class Peer(Ours):
    """transformers + torch."""

    def __init__(self, tiny: bool):
        import torch

        self._tiny = tiny
        self._model_asked: Any = None
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
        square = torch.randn((n, n), device=self._on).bfloat16()
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

    def _asked(self, part: str) -> Any:
        if self._model_asked is None:
            self._model_asked = self._model(sizes(part, self._tiny)[0], 'bfloat16').eval()
        return self._model_asked

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

        model = self._asked(part)

        asked = questions(part, self._tiny, seed=1)

        @torch.inference_mode()
        def ask() -> int:
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

        model = self._asked(part)

        prompts = [context for context, _ in questions(part, self._tiny, seed=1)]

        @torch.inference_mode()
        def ask() -> int:
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


if __name__ == '__main__':
    work(Peer)
