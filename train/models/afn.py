"""AFN-R: a clip's two dynamic images, weighed map by map against each other.

After Man et al., arXiv 2510.09730: TRDI (frames in the order of time), MIDI (in the order of
how much they move), and an adaptive fusion of both that keeps what discriminates and suppresses
noise. Only the abstract is known to us. So all below it is ours: ResNet-18 streams with weights
of their own, softmax of two weights a map, a mask of places against noise, and a linear
classifier on each stream alone, so that neither starves; label smoothing; the scale of 2 grey
levels (99 % of the values of the demo's pictures lie within 3); and the recipe of training.

It differs from our design notes in one rate for all parameters and no frozen layers.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from train.config import FitConfig
from train.loss import label_loss
from train.models.base import Input, Model
from train.models.streams import stream
from train.planes import IMAGE

SIZE = (224, 224)  # px
GREY_LEVELS = (2.0,)  # of change become 1


class AdaptiveFusion(nn.Module):
    """Maps of two streams, (B, width, h, w) each -> one set of maps, (B, width, h, w).

    Parameters
    ----------
    hidden : units between what both streams hold and what each shall weigh
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.Linear(2 * width, hidden), nn.ReLU(), nn.Linear(hidden, 2 * width)
        )
        self.place = nn.Conv2d(2, 1, kernel_size=7, padding=3)

    def shares(self, first: Tensor, second: Tensor) -> Tensor:
        """How much of each map comes from which stream, (B, 2, width); the two add up to 1."""
        held = torch.cat([first.mean((2, 3)), second.mean((2, 3))], dim=1)  # (B, 2 width)
        return self.weigh(held).unflatten(1, (2, -1)).softmax(1)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The mixed maps, quiet where they are noise."""
        of_first, of_second = self.shares(first, second)[..., None, None].unbind(1)
        mixed = of_first * first + of_second * second
        seen = torch.stack([mixed.mean(1), mixed.amax(1)], dim=1)  # (B, 2, h, w)
        return mixed * self.place(seen).sigmoid()


class AFN(nn.Module):
    """TRDI and MIDI, (B, 3, H, W) float32 each -> (B, classes) logits.

    Parameters
    ----------
    weights : a file of torchvision's ResNet-18 from which both streams start; None: random
    widths : of smaller streams instead, see `streams.stream`
    hidden : of the fusion
    alone : weight of the loss of each stream's own classifier
    smoothing : share of a label that is spread over all classes
    """

    several_labels = True

    def __init__(
        self,
        classes: int,
        weights: Path | None = None,
        widths: tuple[int, ...] = (),
        hidden: int = 128,
        dropout: float = 0.5,
        alone: float = 0.3,
        smoothing: float = 0.1,
    ) -> None:
        super().__init__()
        self.trdi, width = stream(widths, weights)
        self.midi, _ = stream(widths, weights)
        self.fusion = AdaptiveFusion(width, hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, classes)
        self.heads_alone = nn.ModuleList(nn.Linear(width, classes) for _ in range(2))
        self.alone, self.smoothing = alone, smoothing

    def together(self, first: Tensor, second: Tensor) -> Tensor:
        """Logits from the maps of both streams."""
        return self.head(self.dropout(self.fusion(first, second).mean((2, 3))))

    def forward(self, trdi: Tensor, midi: Tensor) -> Tensor:
        """Logits of a batch."""
        return self.together(self.trdi(trdi), self.midi(midi))

    def losses(self, inputs: Sequence[Tensor], truth: Tensor, weight: Tensor | None) -> Tensor:
        """Cross-entropy of both streams together, and of each alone.

        Parameters
        ----------
        inputs : TRDI and MIDI
        truth : (B,) int64, or (B, classes) of 0 and 1
        weight : (classes,) or None

        Returns
        -------
        Scalar
        """
        maps = self.trdi(inputs[0]), self.midi(inputs[1])
        told = [self.together(*maps)]
        told += [head(one.mean((2, 3))) for head, one in zip(self.heads_alone, maps, strict=True)]
        together, *alone = (label_loss(logits, truth, weight, self.smoothing) for logits in told)
        return together + self.alone * (alone[0] + alone[1])


MODEL = Model(
    AFN,
    takes=(
        Input("trdi", size=SIZE, scale=GREY_LEVELS, planes=IMAGE),
        Input("midi", size=SIZE, scale=GREY_LEVELS, planes=IMAGE),
    ),
    recipe="afn",
    pretrained=True,
    fit=FitConfig(
        epochs=30,
        batch_size=32,
        learning_rate=1e-4,
        weight_decay=0.05,
        optimizer="adamw",
        schedule="cosine",
        class_weights="root",
        augment=("flip", "shift"),
    ),
)
