"""Self-attention and the layer around it, for the networks that have tokens. No network itself.

Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.2; normalised before
each part instead of after, as Xiong et al., ICML 2020. Written out, since torch's own layer
takes another path in eval mode, which runs neither under vmap nor to the same bits.
"""

from torch import Tensor, nn


class Attention(nn.Module):
    """Every token asks every token of its sequence: (B, N, dim) -> (B, N, dim).

    Parameters
    ----------
    dim : width of a token
    heads : each is ``dim // heads`` wide; what the division leaves over is not used
    dropout : of the result
    """

    def __init__(self, dim: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.width = dim // heads
        self.ask = nn.Linear(dim, 3 * heads * self.width, bias=False)  # query, key, value
        self.answer = nn.Linear(heads * self.width, dim)
        self.dropout = nn.Dropout(dropout)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value, (B, heads, N, width) each."""
        query, key, value = (
            part.unflatten(-1, (self.heads, self.width)).transpose(-2, -3)
            for part in self.ask(x).chunk(3, dim=-1)
        )
        return query, key, value

    def weights(self, x: Tensor) -> Tensor:
        """How much each token (row) takes of each other, (B, heads, N, N); a row sums to 1."""
        query, key, _ = self.split(x)
        return self.compare(query, key)

    def compare(self, query: Tensor, key: Tensor) -> Tensor:
        """Query and key of each head -> its weights."""
        return (query @ key.mT * self.width**-0.5).softmax(-1)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens after one exchange."""
        query, key, value = self.split(x)
        mixed = self.compare(query, key) @ value  # (B, heads, N, width)
        return self.dropout(self.answer(mixed.transpose(-2, -3).flatten(-2)))


class Layer(nn.Module):
    """Attention, then two linear maps a token, each added to what was: (B, N, dim) -> the same.

    Parameters
    ----------
    hidden : width between the two linear maps
    """

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.attend = nn.Sequential(nn.LayerNorm(dim), Attention(dim, heads, dropout))
        self.think = nn.Sequential(
            nn.LayerNorm(dim),
            nn.Linear(dim, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, dim),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Tokens, once changed by the others and once by themselves."""
        x = x + self.attend(x)
        return x + self.think(x)
