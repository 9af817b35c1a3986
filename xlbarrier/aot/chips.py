"""Published rates of the chips that a step can be compiled for, each per chip.

Sources (read November 2026):
  v4: https://cloud.google.com/tpu/docs/v4 (275 TFLOP/s, 32 GiB, 1200 GB/s) and Jouppi et al. 2023,
    arXiv 2304.01433 (six links of 50 GB/s each way).
  v5e: https://cloud.google.com/tpu/docs/v5e (197 TFLOP/s, 16 GB, 819 GB/s, 1600 Gbit/s of links).
  v5p: https://cloud.google.com/tpu/docs/v5p (459 TFLOP/s, 95 GiB, 2765 GB/s, 1200 GB/s of links,
    both ways together).
  v6e: https://cloud.google.com/tpu/docs/v6e (918 TFLOP/s, 32 GB, 1600 GB/s, 3200 Gbit/s of links).
  a100: NVIDIA A100 datasheet, SXM 80 GB. h100, h200: NVIDIA H100 and H200 datasheets, SXM; bfloat16
    without sparsity (half of the figure printed there); NVLink 600 and 900 GB/s both ways together.
Google's "GB" of HBM is 2^30 bytes. libtpu reserves the difference to the "available HBM" in its
messages (0.0.42.1: 30.75, 15.75, 31.25 GiB; a v5p's are 95.74, more than is published).
"""

from dataclasses import dataclass

GIB = 1 << 30


@dataclass(frozen=True)
class Chip:
    """Peak rates and memory of one chip.

    Attributes:
      name: as in a topology, `v5e`.
      platform: 'tpu' or 'cuda'.
      flops: bfloat16 products, FLOP/s.
      float32_flops: products of float32 at full precision, FLOP/s: six bfloat16 passes on a TPU,
        units of their own on a GPU.
      default_flops: products with a float32 operand at jax's default precision: one bfloat16 pass
        on a TPU, TensorFloat-32 on a GPU.
      hbm_bytes: memory of the chip.
      kept_bytes: part of it that is not available to programs.
      hbm_rate: bytes/s between it and the compute units.
      link_rate: bytes/s that all links of a chip together send in one direction.
      dims: axes of the topology's layout.
      largest: largest number of chips in one slice (TPU) or one NVLink domain (GPU).
    """

    name: str
    platform: str
    flops: float
    float32_flops: float
    default_flops: float
    hbm_bytes: int
    hbm_rate: float
    link_rate: float
    dims: int
    largest: int
    kept_bytes: int = 0

    @property
    def longest(self) -> int:
        """Most chips along one axis: a pod with two axes is 16 x 16, with three axes any shape."""
        return 16 if self.dims == 2 else self.largest

    @property
    def free_bytes(self) -> int:
        """Memory that a program may use."""
        return self.hbm_bytes - self.kept_bytes


def _tpu(
    name: str,
    flops: float,
    gib: int,
    hbm_rate: float,
    link_rate: float,
    dims: int,
    largest: int,
    kept_gib: float = 0.0,
) -> Chip:
    return Chip(
        name=name,
        platform='tpu',
        flops=flops,
        float32_flops=flops / 6,
        default_flops=flops,
        hbm_bytes=gib * GIB,
        hbm_rate=hbm_rate,
        link_rate=link_rate,
        dims=dims,
        largest=largest,
        kept_bytes=round(kept_gib * GIB),
    )


CHIPS = {
    chip.name: chip
    for chip in (
        _tpu('v4', 275e12, 32, 1200e9, 300e9, 3, 4096, 1.25),
        _tpu('v5e', 197e12, 16, 819e9, 200e9, 2, 256, 0.25),
        _tpu('v5p', 459e12, 95, 2765e9, 600e9, 3, 6144),
        _tpu('v6e', 918e12, 32, 1600e9, 400e9, 2, 256, 0.75),
        Chip('a100', 'cuda', 312e12, 19.5e12, 156e12, 80 * 10**9, 2039e9, 300e9, 1, 8),
        Chip('h100', 'cuda', 989.4e12, 67e12, 494.7e12, 80 * 10**9, 3350e9, 450e9, 1, 8),
        Chip('h200', 'cuda', 989.4e12, 67e12, 494.7e12, 141 * 10**9, 4800e9, 450e9, 1, 8),
    )
}
