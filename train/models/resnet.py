"""ResNet-18: a plain network to compare with, and the backbone of others.

He et al., "Deep residual learning for image recognition", CVPR 2016, table 1, the 18-layer
column. Parameters bear torchvision's names, so a file of its ResNet-18 weights can be given;
none is ever fetched. As in torchvision, convolutions begin by Kaiming's rule (normal, fan out)
and batch norms as the identity.

The size of the planes and the recipe of training are those of the library MEB (Varanka et al.,
IEEE TAFFC 2024), which starts from ImageNet's weights; without a file we start from none.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from features.console import USAGE, MerError
from train.config import FitConfig
from train.models.base import Input, Model
from train.planes import FLOW, STRAIN

WIDTHS = (64, 128, 256, 512)


class Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut: (B, planes, H, W) -> (B, width, H', W').

    Parameters
    ----------
    stride : 2 halves height and width, rounded up
    """

    def __init__(self, planes: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(planes, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = nn.Sequential()  # what goes in comes out
        if stride != 1 or planes != width:
            self.downsample.append(nn.Conv2d(planes, width, 1, stride, bias=False))
            self.downsample.append(nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """Shortcut plus what the convolutions add."""
        found = self.bn1(self.conv1(x)).relu()
        return (self.bn2(self.conv2(found)) + self.downsample(x)).relu()


def layer(planes: int, width: int, stride: int) -> nn.Sequential:
    """Two blocks, the first of which may shrink."""
    return nn.Sequential(Block(planes, width, stride), Block(width, width, 1))


class Backbone(nn.Module):
    """Three planes (B, 3, H, W) float32 -> maps (B, 512, H / 32, W / 32), rounded up.

    Parameters
    ----------
    weights : a file of torchvision's ResNet-18, .safetensors or of torch.save
        Its classifier is left out. None: random weights.

    Raises
    ------
    MerError
        If the file cannot be read, or is of another network.
    """

    def __init__(self, weights: Path | None = None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = layer(64, WIDTHS[0], 1)
        self.layer2 = layer(WIDTHS[0], WIDTHS[1], 2)
        self.layer3 = layer(WIDTHS[1], WIDTHS[2], 2)
        self.layer4 = layer(WIDTHS[2], WIDTHS[3], 2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if weights is not None:
            self.load_state_dict(fitting(read(weights), self.state_dict(), weights))

    def forward(self, x: Tensor, /) -> Tensor:
        """Maps of a batch."""
        x = self.maxpool(self.bn1(self.conv1(x)).relu())  # (B, 64, H / 4, W / 4)
        x = self.layer2(self.layer1(x))  # (B, 128, H / 8, W / 8)
        return self.layer4(self.layer3(x))


class ResNet18(Backbone):
    """Flow and strain, (B, 2, H, W) and (B, 1, H, W) float32 -> (B, classes) logits.

    Any inputs of three planes in all will do.
    """

    def __init__(self, classes: int, weights: Path | None = None) -> None:
        super().__init__(weights)
        self.fc = nn.Linear(WIDTHS[-1], classes)

    def forward(self, *planes: Tensor) -> Tensor:
        """Logits of a batch."""
        maps = super().forward(torch.cat(planes, dim=1))
        return self.fc(maps.mean((2, 3)))


def read(path: Path) -> dict[str, Tensor]:
    """Named tensors of a file; nothing in it is ever run.

    Raises
    ------
    MerError
        If there is no such file, or it holds anything but named tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise MerError(
            f"{path}: no such file", "give the path of a file of weights", USAGE
        ) from None
    except Exception as problem:  # whatever torch makes of a file that is none
        raise MerError(
            f"{path}: cannot be read as weights ({type(problem).__name__})",
            "give a .safetensors file, or a state_dict written by torch.save",
        ) from problem
    if not isinstance(found, dict) or not all(isinstance(v, Tensor) for v in found.values()):
        raise MerError(
            f"{path}: holds something other than named tensors",
            "give the state_dict of the network alone",
        )
    return dict(found)


def fitting(found: dict[str, Tensor], wanted: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors of a file that a backbone wants, or why they are not there.

    Batch norm's counts of batches may be missing: files of torch 0.4 and before have none.
    """
    counts = {name: value for name, value in wanted.items() if name.endswith("_tracked")}
    kept = counts | {name: value for name, value in found.items() if not name.startswith("fc.")}
    there, asked = ({(n, v.shape) for n, v in part.items()} for part in (kept, wanted))
    if strange := sorted(name for name, _ in there ^ asked):
        raise MerError(
            f"{path}: is no ResNet-18: {len(set(strange))} tensors are missing, too many or of "
            f"another shape, first {strange[0]}",
            "give the weights of torchvision's resnet18",
        )
    return kept


MODEL = Model(
    ResNet18,
    takes=(
        Input("flow", size=(112, 112), scale=(2.0, 2.0), per_width=True, planes=FLOW),
        Input("strain", size=(112, 112), scale=(0.05,), planes=STRAIN),
    ),
    recipe="flow",
    pretrained=True,
    fit=FitConfig(epochs=50, batch_size=32, learning_rate=1e-4, weight_decay=1e-3),
)
