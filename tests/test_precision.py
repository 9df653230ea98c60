"""How exactly a step's sums are done."""

from dataclasses import replace

import pytest
import torch

from features.console import MerError
from tests.test_at_once import SHORT, answers, job
from tests.test_stacked import CLASSES, TRUTH, inputs_of, stacked
from tests.test_stacked import config_of as config_of_stack
from tests.test_stacked import members as members_of
from train.fit import fit
from train.models.base import load
from train.precision import check, narrow, products
from train.predict import predict

WIDE = replace(SHORT, epochs=1)
NARROW = replace(WIDE, precision="bf16")


def test_bf16_is_coarser_in_the_step_and_what_is_said_of_test_samples_is_float32():
    exact, coarse = answers(job(WIDE)), answers(job(NARROW))
    for key, answer in exact.items():
        other = coarse[key]
        assert other.probabilities.dtype == "float32"
        gap = abs(answer.losses[0] - other.losses[0])
        assert 0 < gap < 0.05


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("artnet_lite", "sssnet")]


@pytest.mark.parametrize("name", ["ststnet", *SLOW])
def test_a_stack_in_bf16_learns_about_what_a_fit_in_bf16_learns(name):
    """Sums of 8 bits differ by their order: by a thousandth, not by a millionth."""
    model = load(name)
    config = config_of_stack(model, precision="bf16", epochs=1, learning_rate=1e-3)
    inputs = inputs_of(model)
    stack = stacked(model, inputs, members_of(epochs=(1, 1, 1)), config)
    rows = torch.arange(len(TRUTH)).expand(3, -1)
    for member, found in zip(stack.members, stack.predict(rows), strict=True):
        shown = [x[member.train] for x in inputs]
        alone = fit(model, CLASSES, shown, TRUTH[member.train], config, member.seed)
        torch.testing.assert_close(found, predict(alone, inputs), rtol=0.1, atol=0.05)


def test_products_are_bf16_inside_and_weights_stay_float32():
    layer = torch.nn.Linear(3, 2)
    with narrow("bf16", torch.device("cpu")):
        assert layer(torch.ones(1, 3)).dtype == torch.bfloat16
    with narrow("float32", torch.device("cpu")):
        assert layer(torch.ones(1, 3)).dtype == torch.float32
    assert layer.weight.dtype == torch.float32


def test_cuda_rounds_nothing_unasked_and_torchs_settings_come_back():
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn

    def now():
        return cuda.allow_tf32, cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark

    before = now()
    for precision, rounded in (("float32", False), ("bf16", False), ("tf32", True)):
        with products(precision):
            assert now() == (rounded, rounded, True, False)
        assert now() == before


def test_a_cpu_refuses_tf32_in_one_line():
    with pytest.raises(MerError, match="a CPU has no tf32") as caught:
        check("tf32", "cpu")
    assert caught.value.exit_code == 2
    check("tf32", "cuda")
    check("bf16", "cpu")
