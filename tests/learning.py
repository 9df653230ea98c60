"""What is asked of every network that learns: gradients, memory, the same answer twice."""

import torch
from torch.nn.functional import cross_entropy


def inputs(shapes, samples=2, seed=0, dtype=torch.float32):
    """One tensor a shape, values in 0 … 1."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(samples, *shape, generator=generator, dtype=dtype) for shape in shapes]


def loss(network, x, truth, weight=None):
    """What training lowers."""
    if hasattr(network, "losses"):
        return network.losses(x, truth, weight)
    return cross_entropy(network(*x), truth, weight)


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def without_gradient(network, shapes, classes=3):
    """Parameters that one backward pass leaves as they are; in float64 rounding is no gradient."""
    network = network.double().train()
    truth = torch.arange(4) % classes
    loss(network, inputs(shapes, len(truth), dtype=torch.float64), truth).backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())
    return {n for n, p in network.named_parameters() if p.grad.abs().max() < 1e-12}


def steps_to_learn(network, shapes, rate, most=60):
    """Steps until 16 random samples of 3 classes are told apart without an error, in eval mode."""
    x, truth = inputs(shapes, samples=16), torch.arange(16) % 3
    optimizer = torch.optim.Adam(network.parameters(), rate)
    for step in range(1, most + 1):
        network.train()
        optimizer.zero_grad()
        loss(network, x, truth).backward()
        optimizer.step()
        network.eval()
        with torch.inference_mode():
            if step % 5 == 0 and (network(*x).argmax(1) == truth).all():
                return step
    raise AssertionError(f"not learnt in {most} steps")


def gradients_of_two_folds(build, shapes):
    """Every gradient of two networks, trained at once by torch.func and one by one."""
    nets = [build().eval() for _ in range(2)]  # no dropout: the two ways draw differently
    x = [torch.stack(pair) for pair in zip(inputs(shapes), inputs(shapes, seed=1), strict=True)]
    truth = torch.tensor([[0, 1], [2, 0]])

    class Loss(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = nets[0]

        def forward(self, x, truth):
            return loss(self.network, x, truth)

    def loss_of(params, buffers, x, truth):
        named = {f"network.{name}": value for name, value in (params | buffers).items()}
        return torch.func.functional_call(Loss(), named, (x, truth))

    params, buffers = torch.func.stack_module_state(nets)
    at_once = torch.func.vmap(torch.func.grad(loss_of))(params, buffers, x, truth)
    for fold, network in enumerate(nets):
        loss(network, [part[fold] for part in x], truth[fold]).backward()
    alone = {
        name: torch.stack([dict(n.named_parameters())[name].grad for n in nets]) for name in params
    }
    return at_once, alone
