"""What a network says of samples, with nothing learnt from them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from train.streamed import Clips

AT_ONCE = 64  # clips: of a dataset that is left out a device may have no room for all


@torch.inference_mode()
def predict(network: nn.Module, inputs: Sequence[Clips], several: bool = False) -> Tensor:
    """Probabilities of the classes, (n, classes) float32 on the CPU; no batch statistics.

    Parameters
    ----------
    several : a sample may show several, so that each has a probability of its own
    """
    network.eval()
    starts = range(0, len(inputs[0]), AT_ONCE)
    logits = torch.cat([network(*(x[n : n + AT_ONCE] for x in inputs)) for n in starts])
    return (logits.sigmoid() if several else logits.softmax(1)).cpu()
