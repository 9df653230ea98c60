"""One fit of a run by itself, and what is kept of it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from train.fit import Tensors, copied, fit, seed_of
from train.losses import Losses
from train.models import base
from train.oracle import Answer, Oracle
from train.predict import predict
from train.streamed import Clips, part
from train.task import Job, Task, checked


def fit_alone(job: Job, inputs: Sequence[Clips], task: Task) -> Answer:
    """Fit one task; its test samples are looked at from aside, and teach the fit nothing."""
    until = chosen_epoch(job, inputs, task) if task.inner else job.config.epochs
    device = inputs[0].device
    train, test = (torch.from_numpy(rows).to(device) for rows in (task.train, task.test))
    truth = torch.from_numpy(task.truth).to(device)
    asked = part(inputs, test)
    oracle, losses = Oracle(asked, truth[test]), Losses()
    kept = job.work.fit(task.seed, task.fold) if job.work else None
    left = kept.newest() if kept else None
    start = left and (left[0], losses.restore(oracle.restore(dict(left[1]))))
    if job.tally:
        job.tally.begin(task.key, start[0] if start else 0, until)

    def tell(loss: float) -> None:
        losses.add(loss)
        if job.tally:
            job.tally.add(task.key)

    def keep(epoch: int, state: Callable[[], Tensors]) -> None:
        if kept:
            kept.keep(epoch, lambda: {**state(), **oracle.state(), **losses.state()})

    network = fit(
        base.load(job.model).started(job.backbone),
        job.classes,
        part(inputs, train),
        truth[train],
        job.config,
        seed_of(task.seed, task.fold),
        start,
        keep,
        oracle.watch,
        tell,
        until,
    )
    probabilities = checked(task, predict(network, asked, truth.ndim == 2).numpy())
    answer = Answer(
        until, probabilities, oracle.epoch, oracle.probabilities.numpy(), tuple(losses.each),
        tuple(oracle.hits),
    )  # fmt: skip
    if kept:
        kept.finish(answer, copied(network.state_dict()))
    return answer


def chosen_epoch(job: Job, inputs: Sequence[Clips], task: Task) -> int:
    """The epoch that is best on people of the training part who are kept out of a fit of its own.

    It is what the oracle of that fit finds, and that fit is kept like any other; the network that
    is tested is then fitted anew, on all training samples, for so many epochs.
    """
    work, held = job.work and replace(job.work, keep_networks=False), task.held()
    left = work.fit(*held.key).recover() if work else None
    if left is None:
        return fit_alone(replace(job, work=work), inputs, held).oracle_epoch
    job.had(held)
    return left.oracle_epoch
