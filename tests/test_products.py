"""The linear maps' products and their gradients, beside those of numpy, on meshes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from xlbarrier.mesh import BATCH, RULES, make_mesh
from xlbarrier.models.layers import ADAPTERS, PROJECTIONS, product

SIZES = dict(B=8, T=6, S=6, D=16, N=4, K=2, H=8, F=24, R=4)
EQUATIONS = sorted(
    {equation for equation, _, _ in PROJECTIONS.values()}
    | {equation for one in ADAPTERS.values() for equation in (one.down, one.up)}
)


def operands(equation):
    rng = np.random.default_rng(len(equation))
    shapes = [[SIZES[letter] for letter in part] for part in equation.split('->')[0].split(',')]
    out = [SIZES[letter] for letter in equation.split('->')[1]]
    return [rng.standard_normal(shape, dtype=np.float32) for shape in (*shapes, out)]


def laid_out(part):
    """As the model has them: rows over data and fsdp, heads and feed-forward over tensor."""
    return P(*(BATCH if d == 'B' else 'tensor' if d in 'NKF' else None for d in part))


@pytest.mark.parametrize('sizes', [(1, 1, 1), (2, 2, 2)])
@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
@pytest.mark.parametrize('equation', EQUATIONS)
def test_a_product_and_its_gradients(equation, dtype, sizes):
    x, kernel, weight = operands(equation)
    of_x, of_kernel, of_out = equation.replace('->', ',').split(',')
    out_sharding = RULES.hidden_BTD if of_out in ('BTD', 'BTR') else None

    def ours(x, kernel):
        out = product(equation, x, kernel, out_sharding=out_sharding)
        return jnp.sum(weight * out.astype(jnp.float32))

    mesh = make_mesh(*sizes, devices=jax.devices()[: np.prod(sizes)])
    with jax.set_mesh(mesh):
        given = [
            jax.device_put(array.astype(dtype), jax.sharding.NamedSharding(mesh, laid_out(part)))
            for array, part in ((x, of_x), (kernel, of_kernel))
        ]
        value, found = jax.jit(jax.value_and_grad(ours, (0, 1)))(*given)
    for array, like, part in zip(found, given, (of_x, of_kernel), strict=True):
        assert array.dtype == like.dtype
        assert array.sharding.is_equivalent_to(like.sharding, len(part))
    wide = [np.asarray(array, np.float64) for array in given]
    expected = (
        np.einsum(f'{of_out},{of_kernel}->{of_x}', weight.astype(np.float64), wide[1]),
        np.einsum(f'{of_x},{of_out}->{of_kernel}', wide[0], weight.astype(np.float64)),
    )
    near = {'rtol': 1e-5, 'atol': 1e-5} if dtype == 'float32' else {'rtol': 1e-2, 'atol': 0.15}
    np.testing.assert_allclose(value, np.sum(weight * np.einsum(equation, *wide)), **near)
    for array, answer in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.asarray(array, np.float64), answer, **near)
