"""Requests that the scoring tests share, and what torch says of them."""

import numpy as np
import torch

from xlbarrier.scoring.request import Request


def ragged(vocab_size: int, count: int = 40, seed: int = 0) -> list[Request]:
    """Questions with options: lengths from 1 to 60, prefixes shared between them, one repeated."""
    rng = np.random.Generator(np.random.PCG64(seed))

    def draw(low: int, high: int) -> tuple[int, ...]:
        return tuple(int(t) for t in rng.integers(0, vocab_size, rng.integers(low, high)))

    instruction, requests = draw(12, 13), []
    while len(requests) < count:
        question = draw(1, 45)
        context = instruction + question if rng.random() < 0.7 else question
        stem = draw(0, 3)
        requests += [Request(context, stem + draw(1, 4)) for _ in range(rng.integers(1, 5))]
    requests = requests[: count - 1]
    return [*requests, requests[count // 3]]


def with_greedy(model, requests: list[Request]) -> list[Request]:
    """Adds the model's own likeliest continuations of some contexts, and one spoiled at its end."""
    found = []
    for request in requests[::9]:
        ids = list(request.context)
        for _ in range(4):
            with torch.no_grad():
                ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        own = tuple(ids[len(request.context) :])
        found.append(Request(request.context, own))
    spoiled = (*own[:-1], (own[-1] + 1) % model.config.vocab_size)
    return [*requests, *found, Request(request.context, spoiled)]


def torch_scores(model, requests: list[Request]) -> list[tuple[float, bool]]:
    """Sums of log-softmax, one plain forward pass a request."""
    scores = []
    for request in requests:
        ids = torch.tensor([request.context + request.continuation])
        start = len(request.context)
        with torch.no_grad():
            steps_CV = model(ids).logits[0, start - 1 : -1].log_softmax(-1)
        targets = ids[0, start:]
        value = steps_CV.double().gather(-1, targets[:, None]).sum().item()
        scores.append((value, bool((steps_CV.argmax(-1) == targets).all())))
    return scores
