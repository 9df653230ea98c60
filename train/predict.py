"""What a network says of samples, with nothing learnt from them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


@torch.inference_mode()
def predict(network: nn.Module, inputs: Sequence[Tensor]) -> Tensor:
    """Probabilities of the classes, (n, classes) float32 on the CPU; no batch statistics."""
    network.eval()
    return network(*inputs).softmax(1).cpu()
