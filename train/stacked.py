"""Many fits of one network in one pass: what fit.py does, for members that never meet.

Weights, buffers and what the optimizer remembers lie in rows, a fit a row; `vmap` runs the network
over them. A step takes the fits whose batches have the same number of samples: one pass for
full batches, and one for each size of a last batch. So batch norm and a network's own losses see
the samples of the batch and no others; samples that fill a batch up would have to be taken out of
every such sum again, which no network's losses provide for.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap

from train.chance import Draws, Shape, asked_for, draw, given
from train.config import FitConfig
from train.fit import Tensors, batches, changed, class_weights, copied, rate
from train.members import BUFFER, Loss, Member, built, first_rows, side_by_side
from train.models.base import Model
from train.optimizers import step
from train.precision import narrow
from train.streamed import Clips


class Stack:
    """F fits side by side, before their first epoch.

    Parameters
    ----------
    inputs : (N, …) float32 each, all samples
    """

    def __init__(
        self,
        model: Model,
        classes: int,
        inputs: Sequence[Clips],
        members: Sequence[Member],
        config: FitConfig,
    ) -> None:
        self.model, self.inputs, self.members, self.config = model, inputs, members, config
        self.device = device = inputs[0].device
        self.loss = Loss(built(model, classes, members[0].seed)).to("meta")  # its form alone
        self.shapes = {name: one.shape for name, one in self.loss.network.named_parameters()}
        self.rows = first_rows(model, classes, members, config, device)
        self.draws = [Draws.of(member.seed, device) for member in members]
        self.truth = torch.stack([member.truth for member in members]).to(device)
        kind = config.class_weights
        of_each = [class_weights(member.truth[member.train], classes, kind) for member in members]
        there = [weight for weight in of_each if weight is not None]
        self.weight = torch.stack(there).to(device) if there else None
        self.asked: dict[int, list[tuple[Shape, torch.dtype]]] = {}  # by the size of a batch
        in_dims = (0, 0, 0, 0, 0, None if self.weight is None else 0)
        self.slopes = vmap(grad_and_value(self._loss), in_dims=in_dims)

    def epoch(self, number: int) -> dict[int, float]:
        """Train the members that have this epoch; their losses, means over the samples stepped on.

        Losses and rows go between host and device once.
        """
        training = [n for n, member in enumerate(self.members) if number <= member.until]
        orders = {
            n: [m.train[rows] for rows in batches(len(m.train), self.config.batch_size, d.order)]
            for n, m, d in ((n, self.members[n], self.draws[n]) for n in training)
        }
        plan = list(side_by_side(orders))
        counts = [part.numel() for who, rows in plan for part in (who, rows)]
        moved = torch.cat([part.flatten() for both in plan for part in both]).to(self.device)
        parts = iter(torch.split(moved, counts))
        lost = torch.zeros(len(self.members), dtype=torch.float64, device=self.device)
        learning = rate(self.config, number)
        self.loss.train()
        for who, rows in plan:
            there, picked = next(parts), next(parts).view_as(rows)
            loss = self._step(who.tolist(), there, picked, learning)
            lost.index_add_(0, there, loss.double() * rows.shape[1])
        stepped = {n: sum(map(len, rows)) for n, rows in orders.items()}
        return {n: total / stepped[n] for n, total in enumerate(lost.tolist()) if n in stepped}

    def _step(self, who: list[int], there: Tensor, rows: Tensor, learning: float) -> Tensor:
        """One step of some members on (G, B) samples; (G,) losses."""
        everyone = len(who) == len(self.members)
        mine = self.rows if everyone else {name: row[there] for name, row in self.rows.items()}
        draws = [self.draws[n] for n in who]
        flat = [x[rows.flatten()] for x in self.inputs]
        shown = changed(self.model, flat, self.config.augment, [d.change for d in draws])
        inputs = [x.reshape(*rows.shape, *x.shape[1:]) for x in shown]
        truth = self.truth[there[:, None], rows]
        weight = None if self.weight is None else self.weight[there]
        chances = [d.chance for d in draws]
        drawn = [draw(shape, kind, chances) for shape, kind in self._asked(inputs, truth, weight)]
        slopes, loss = self.slopes(*self._parts(mine), drawn, inputs, truth, weight)
        together = torch.cat([slopes[name].reshape(len(who), -1) for name in self.shapes], dim=1)
        step(self.config, learning, mine, together)
        if not everyone:
            for name, row in mine.items():
                self.rows[name][there] = row
        return loss

    def _loss(
        self,
        parameters: Tensors,
        buffers: Tensors,
        drawn: Sequence[Tensor],
        inputs: Sequence[Tensor],
        truth: Tensor,
        weight: Tensor | None,
    ) -> Tensor:
        state = {f"network.{name}": one for name, one in {**parameters, **buffers}.items()}
        with given(drawn), narrow(self.config.precision, self.device):
            return functional_call(self.loss, state, (inputs, truth, weight))

    def _asked(
        self, inputs: Sequence[Tensor], truth: Tensor, weight: Tensor | None
    ) -> list[tuple[Shape, torch.dtype]]:
        """What a network draws for a batch, found by one that has only the form."""
        size = truth.shape[1]
        if size not in self.asked:
            form = [x[0].to("meta") for x in inputs]
            scale = None if weight is None else weight[0].to("meta")
            with torch.no_grad():
                asked = asked_for(lambda: self.loss(form, truth[0].to("meta"), scale))
            self.asked[size] = asked
        return self.asked[size]

    def _parts(self, rows: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Named weights, and named buffers, of some rows; they share their memory."""
        flat = torch.split(rows["weights"], [one.numel() for one in self.shapes.values()], dim=1)
        named = zip(self.shapes.items(), flat, strict=True)
        parameters = {name: part.view(-1, *shape) for (name, shape), part in named}
        found = {n.removeprefix(BUFFER): row for n, row in rows.items() if n.startswith(BUFFER)}
        return parameters, found

    @torch.no_grad()
    def predict(self, asked: Tensor, several: bool = False) -> Tensor:
        """Probabilities of (F, n) rows of the inputs, (F, n, classes) float32 on the CPU."""
        self.loss.eval()
        network = self.loss.network

        def outcome(parameters: Tensors, buffers: Tensors, inputs: Sequence[Tensor]) -> Tensor:
            logits: Tensor = functional_call(network, {**parameters, **buffers}, tuple(inputs))
            return logits.sigmoid() if several else logits.softmax(1)

        parts = self._parts(self.rows)
        found = [
            vmap(outcome)(*parts, [x[rows] for x in self.inputs])
            for rows in torch.split(asked, self.config.batch_size, dim=1)
        ]
        return torch.cat(found, dim=1).cpu()

    def network(self, number: int) -> dict[str, Tensor]:
        """One member's state_dict, copied to the CPU."""
        parameters, buffers = self._parts(self.rows)
        there = {**parameters, **buffers}
        return copied({name: there[name][number] for name in self.loss.network.state_dict()})

    def state(self) -> dict[str, Tensor]:
        """Copy to the CPU all that an epoch leaves to the next."""
        named = [list(draws.named()) for draws in self.draws]
        found = dict(self.rows)
        for every in zip(*named, strict=True):
            found[f"random.{every[0][0]}"] = torch.stack([own.get_state() for _, own in every])
        return copied(found)

    def restore(self, state: Tensors) -> None:
        """Go back to a state."""
        for name, row in self.rows.items():
            row.copy_(state[name])
        for number, draws in enumerate(self.draws):
            for name, own in draws.named():
                own.set_state(state[f"random.{name}"][number].clone())  # it takes no view


def fit_stack(
    stack: Stack,
    start: tuple[int, Tensors] | None = None,
    keep: Callable[[int, Callable[[], Tensors]], None] | None = None,
    watch: Callable[[int, Stack], None] | None = None,
    tell: Callable[[Mapping[int, float]], None] | None = None,
) -> None:
    """Train a stack to the last epoch of its members.

    Parameters
    ----------
    start, keep, watch, tell : as of `fit`
        `tell` is given the losses of the members that had the epoch, by number.
    """
    done, left = start or (0, None)
    if left is not None:
        stack.restore(left)
    for epoch in range(done + 1, max(member.until for member in stack.members) + 1):
        lost = stack.epoch(epoch)
        if tell is not None:
            tell(lost)
        if watch is not None:
            watch(epoch, stack)
        if keep is not None:
            keep(epoch, stack.state)
