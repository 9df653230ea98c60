"""What the tests of single networks share: inputs, gradients, fits of a few samples, folds."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.functional import cross_entropy

NOTHING = 1e-8  # a gradient below is what rounding leaves of an exact 0


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def parameters(make: Callable[[], nn.Module]) -> int:
    """Counted without any memory for them."""
    with torch.device("meta"):
        return sum(p.numel() for p in make().parameters())


def loss_of(network: nn.Module, inputs: Sequence[Tensor], truth: Tensor) -> Tensor:
    if hasattr(network, "losses"):
        return network.losses(inputs, truth, None)
    return cross_entropy(network(*inputs), truth)


def untaught(network: nn.Module, inputs: Sequence[Tensor]) -> list[str]:
    """Parameters that one training step would not change, or not to a number."""
    truth = torch.arange(len(inputs[0])) % 3
    loss_of(network.train(), inputs, truth).backward()
    return [
        name
        for name, p in network.named_parameters()
        if p.grad is None or not p.grad.isfinite().all() or p.grad.abs().max() < NOTHING
    ]


def learned(
    network: nn.Module, inputs: Sequence[Tensor], truth: Tensor, steps: int, rate: float
) -> float:
    """Share of the samples that are right in eval mode, after some steps of Adam."""
    optimizer = torch.optim.Adam(network.parameters(), rate)
    network.train()
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(network, inputs, truth).backward()
        optimizer.step()
    with torch.no_grad():
        return (network.eval()(*inputs).argmax(1) == truth).float().mean().item()


def assert_eval_repeats_and_ignores_the_batch(network: nn.Module, inputs: Sequence[Tensor]):
    network.eval()
    with torch.no_grad():
        all_of_them = network(*inputs)
        assert torch.equal(all_of_them, network(*inputs))
        alone = network(*(x[:1] for x in inputs))
    torch.testing.assert_close(all_of_them[:1], alone, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(all_of_them[0], all_of_them[1], rtol=1e-6, atol=1e-9)


def assert_folds_train_together(make: Callable[[], nn.Module], inputs: Sequence[Tensor]):
    """Two networks in one vmap: as each alone in eval mode, and with gradients in train mode."""
    networks = [make().eval(), make().eval()]
    weights, buffers = stack_module_state(networks)

    def outcome(w, b, x):
        return functional_call(networks[0], (w, b), x)

    with torch.no_grad():
        both = vmap(outcome, in_dims=(0, 0, None))(weights, buffers, tuple(inputs))
        for one, network in zip(both, networks, strict=True):
            torch.testing.assert_close(one, network(*inputs), rtol=1e-4, atol=1e-5)

    for network in networks:
        network.train()
    truth = torch.arange(len(inputs[0])) % 3

    def loss(w, b, x):
        return cross_entropy(functional_call(networks[0], (w, b), x), truth)

    steps = vmap(grad(loss), in_dims=(0, 0, None), randomness="different")
    found = steps(weights, buffers, tuple(inputs))
    assert all(g.isfinite().all() and g.shape[0] == 2 for g in found.values())
    assert not any(torch.equal(g[0], g[1]) for g in found.values() if g.abs().max() > NOTHING)
