"""Phase-aware augmentation: a picture network is shown whole clips, rises and falls.

Khuong et al., "Phase-aware temporal augmentation", arXiv 2510.15466: more dynamic images to train
on than one a clip, for any network that takes one picture; here ResNet-18, one of the kinds they
tried. Of the paper we know the abstract. Odds of 0.2, 0.5 and 0.3 for whole, rise and fall, the
fall run backwards, what is tested on (the mean of both phases), the scale and the recipe of
training, AFN-R's, are ours.

`phase_image_control` is this network on whole clips alone: what the phases must beat.
"""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from train.models.afn import GREY_LEVELS
from train.models.afn import MODEL as AFN
from train.models.base import Input, Model
from train.models.streams import stream
from train.phases import of_both_phases, one_phase, present
from train.planes import IMAGE

SIZE = (224, 224)  # px


class PhaseImage(nn.Module):
    """Images of whole, rise, fall (B, 3, H, W) float32 each -> (B, classes) logits.

    In training one of the three is seen, drawn anew each time; otherwise rise and fall, and the
    logits are the logarithm of their mean probabilities.

    Parameters
    ----------
    widths : of the stream's convolutions; () = ResNet-18
    dropout : before the classifier
    smoothing : share of the truth that the loss gives to all classes
    phases : False: the whole clip's image alone, in training and after
    weights : a file of torchvision's ResNet-18 to start from; None: random
    """

    def __init__(
        self,
        classes: int,
        widths: tuple[int, ...] = (),
        dropout: float = 0.5,
        smoothing: float = 0.1,
        phases: bool = True,
        weights: Path | None = None,
    ) -> None:
        super().__init__()
        self.smoothing, self.phases = smoothing, phases
        self.stream, width = stream(widths, weights)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, classes)

    def of_one(self, image: Tensor) -> Tensor:
        """Logits of one picture a clip."""
        return self.head(self.dropout(self.stream(image).mean((2, 3))))

    def forward(self, whole: Tensor, rise: Tensor, fall: Tensor) -> Tensor:
        """Logits of a batch."""
        if not self.phases:
            return self.of_one(whole)
        if self.training:
            return self.of_one(one_phase(whole, rise, fall))
        return of_both_phases(self.of_one(rise), self.of_one(-fall), present(fall)).log()

    def losses(self, inputs: Sequence[Tensor], truth: Tensor, weight: Tensor | None) -> Tensor:
        """Cross-entropy against a truth of which all classes get a little."""
        return cross_entropy(self(*inputs), truth, weight, label_smoothing=self.smoothing)


MODEL = Model(
    PhaseImage,
    takes=tuple(
        Input(name, size=SIZE, scale=GREY_LEVELS, planes=IMAGE)
        for name in ("dynamic_image", "rise_image", "fall_image")
    ),
    recipe="dynamic",
    fit=AFN.fit,
    pretrained=True,
)
