"""The real SmolLM2-135M against transformers on torch, which reads the GGUF file by itself."""

import pytest

from benchmarks import parity


@pytest.mark.slow
def test_real_weights_give_the_logits_of_transformers(smollm2_gguf):
    rows = parity.compare(smollm2_gguf)
    assert len(rows) == 20 and len({row.script for row in rows}) == 10
    for row in rows:
        assert row.logit <= 2e-3, row
        assert row.other_top1 == 0, row
        assert row.nats <= 1e-3, row
