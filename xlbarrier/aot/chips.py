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
Google's "GB" of HBM is 2^30 bytes. What libtpu keeps of it is the difference to the "available HBM"
of its own messages (0.0.42.1: 30.75, 15.75, 31.25 GiB; a v5p's are 95.74, more than is published).
"""

from dataclasses import dataclass

GIB = 1 << 30


@dataclass(frozen=True)
class Chip:
    """What one chip can do at most.

    Attributes:
      name: as in a topology, `v5e`.
      platform: 'tpu' or 'cuda'.
      flops: bfloat16 products, FLOP/s.
      float32_flops: products of float32 at full precision, FLOP/s. A TPU makes each of six bfloat16
        passes; a GPU has units for it.
      default_flops: products with a float32 operand at jax's default precision: one bfloat16 pass
        on a TPU, TensorFloat-32 on a GPU.
      hbm_bytes: memory of the chip.
      kept_bytes: of it, what no program gets.
      hbm_rate: bytes/s between it and the compute units.
      link_rate: bytes/s that all links of a chip together send, one way.
      dims: axes of the topology's layout.
      largest: most chips of one slice (TPU) or of one NVLink domain (GPU).
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
        """Most chips along one axis: a pod of two is wired as 16 x 16, one of three freely."""
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
        *(name, 'tpu', flops, flops / 6, flops, gib * GIB, hbm_rate, link_rate, dims, largest),
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
