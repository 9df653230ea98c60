"""What a network says of samples, with nothing learnt from them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


@torch.inference_mode()
def predict(network: nn.Module, inputs: Sequence[Tensor], several: bool = False) -> Tensor:
    """Probabilities of the classes, (n, classes) float32 on the CPU; no batch statistics.

    Parameters
    ----------
    several : a sample may show several, so that each has a probability of its own
    """
    network.eval()
    logits = network(*inputs)
    return (logits.sigmoid() if several else logits.softmax(1)).cpu()
