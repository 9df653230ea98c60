"""HTNet: attention within four areas of the face, then across them.

Wang, Zhang, Luo and Sankaranarayana, "HTNet for micro-expression recognition", Neurocomputing
2024: a nested transformer (Zhang et al., "Nested hierarchical transformer", AAAI 2022) over
the areas of both eyes and both corners of the lips. Theirs: three levels of 256, 512 and 1024
with 3, 6 and 12 heads and 2, 2 and 10 layers, a convolution and a pool between levels, Adam at
5e-5, batches of 256, 800 epochs.

Ours, and why: with the released patches of 7 px every attention sees one token, so that its
softmax is always 1 and no token hears of another. Here patches are 2 px: 49 tokens an area on
the first level, 49 of the whole face on the second, 16 on the last. A position is a vector,
where theirs is one number added to all channels, which the layer norms subtract again. The areas
lie as in the face, where theirs are read with rows and columns exchanged. Training is shuffled,
and the flow keeps its scale where theirs is an 8-bit picture. With patch = 7 and
blocks = (4, 2, 1) the released layout can be built, to measure what attention adds.
"""

import torch
from torch import Tensor, nn

from train.config import FitConfig
from train.models.attention import Layer
from train.models.base import Input, Model

WINDOW = 14  # px, width and height of an area
FULL_SCALE = (2.0, 2.0, 0.05)  # px, px, px/px: merkit's for flow and strain
LIMIT = 3.0


def tile(areas: Tensor) -> Tensor:
    """Lay four areas out as in the face.

    Parameters
    ----------
    areas : (B, 4, C, w, w)
        Left eye, right eye, left lip, right lip, as seen in the picture.

    Returns
    -------
    (B, C, 2w, 2w)
        Eyes above, lips below.
    """
    rows = torch.unflatten(areas, 1, (2, 2)).permute(0, 3, 1, 4, 2, 5)  # (B, C, 2, w, 2, w)
    return rows.flatten(4, 5).flatten(2, 3)


def apart(grid: Tensor, blocks: int) -> Tensor:
    """(B, H, W, D) -> (B * blocks**2, tokens, D): the tokens of each square of the grid."""
    height, width = grid.shape[1] // blocks, grid.shape[2] // blocks
    columns = torch.unflatten(grid, 2, (blocks, width))
    squares = torch.unflatten(columns, 1, (blocks, height))
    return squares.transpose(2, 3).flatten(3, 4).flatten(0, 2)


def together(tokens: Tensor, blocks: int) -> Tensor:
    """(B * blocks**2, tokens, D) -> (B, H, W, D): undo `apart` for a square grid."""
    side = round(tokens.shape[1] ** 0.5)
    square = torch.unflatten(tokens, 1, (side, side))
    squares = torch.unflatten(square, 0, (-1, blocks, blocks))
    return squares.transpose(2, 3).flatten(3, 4).flatten(1, 2)


class Level(nn.Module):
    """Layers of attention inside each square of the grid: (B, H, W, dim) -> the same.

    Parameters
    ----------
    side : H and W
    blocks : squares a side; a square's tokens see each other and no other
    """

    def __init__(
        self, side: int, blocks: int, dim: int, heads: int, depth: int, dropout: float
    ) -> None:
        super().__init__()
        self.blocks = blocks
        # as large as a normed token: drawn at 0.02, small fits do not find where motion is
        self.place = nn.Parameter(torch.randn((side // blocks) ** 2, dim))
        self.layers = nn.Sequential(*(Layer(dim, heads, 4 * dim, dropout) for _ in range(depth)))

    def forward(self, grid: Tensor) -> Tensor:
        """Tokens that know of their square."""
        return together(self.layers(apart(grid, self.blocks) + self.place), self.blocks)


class Merge(nn.Module):
    """Neighbours into one, across squares: (B, H, W, dim) -> (B, H/2, W/2, wider), rounded up."""

    def __init__(self, dim: int, wider: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(dim, wider, kernel_size=3, padding=1)
        self.norm = nn.LayerNorm(wider)
        self.pool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)

    def forward(self, grid: Tensor) -> Tensor:
        """A grid of half the side."""
        x = self.norm(self.mix(grid.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        return self.pool(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class HTNet(nn.Module):
    """Windows (B, 5, 3, 14, 14) float32 of u, v (px) and strain (px/px) -> (B, classes) logits.

    The windows are those of `features.regions` in its own order: left eye, right eye, nose,
    left lip, right lip. The nose is not used. The scales are fixed and set here, since they go by
    the second axis.

    Parameters
    ----------
    patch : px, side of what one token shows
    blocks : squares a side in which attention stays, level by level; at 2 they are the areas
    dims, heads, depths : of each level: width of a token, heads, layers
    dropout : within the layers

    Raises
    ------
    ValueError
        If the grid of a level does not divide into its squares.
    """

    scale: Tensor

    def __init__(
        self,
        classes: int,
        patch: int = 2,
        blocks: tuple[int, ...] = (2, 1, 1),
        dims: tuple[int, ...] = (256, 512, 1024),
        heads: tuple[int, ...] = (3, 6, 12),
        depths: tuple[int, ...] = (2, 2, 10),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(FULL_SCALE)[:, None, None], persistent=False)
        self.patches = nn.Conv2d(3, dims[0], kernel_size=patch, stride=patch)
        levels: list[nn.Module] = []
        side = 2 * WINDOW // patch
        narrower = (None, *dims[:-1])
        for before, squares, dim, many, depth in zip(
            narrower, blocks, dims, heads, depths, strict=True
        ):
            if before is not None:
                levels.append(Merge(before, dim))
                side = (side + 1) // 2
            if side % squares:
                raise ValueError(f"a grid of {side} x {side} has no {squares} x {squares} squares")
            levels.append(Level(side, squares, dim, many, depth, dropout))
        self.levels = nn.Sequential(*levels)
        self.norm = nn.LayerNorm(dims[-1])
        self.head = nn.Linear(dims[-1], classes)

    def grid(self, windows: Tensor) -> Tensor:
        """Windows -> the first level's tokens, (B, 28 / patch, 28 / patch, dim)."""
        areas = torch.cat([windows[:, :2], windows[:, 3:]], dim=1)  # (B, 4, 3, 14, 14): no nose
        face = tile((areas / self.scale).clamp(-LIMIT, LIMIT))  # (B, 3, 28, 28)
        return self.patches(face).permute(0, 2, 3, 1)

    def forward(self, windows: Tensor) -> Tensor:
        """Logits of a batch."""
        x = self.norm(self.levels(self.grid(windows)))  # (B, 4, 4, 1024)
        return self.head(x.mean((1, 2)))


MODEL = Model(
    HTNet,
    takes=(Input("regions", clamp=None),),
    recipe="htnet",
    fit=FitConfig(epochs=800, batch_size=256, learning_rate=5e-5),
)
