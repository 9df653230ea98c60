"""Names of SMIC's clips: the published totals of each subject and emotion, the rest invented."""

from collections.abc import Sequence

# Subject -> clips that are negative, positive, surprise.
HS = {1: (3, 1, 2), 2: (0, 1, 5), 3: (22, 11, 6), 4: (9, 6, 4), 5: (0, 1, 1), 6: (1, 2, 1)}
HS |= {8: (3, 7, 3), 9: (1, 1, 2), 11: (3, 2, 2), 12: (3, 3, 3), 13: (4, 4, 2), 14: (4, 4, 2)}
HS |= {15: (2, 1, 1), 18: (3, 1, 3), 19: (1, 0, 1), 20: (11, 6, 5)}
OTHERS = {11: (3, 4, 2), 12: (3, 5, 2), 13: (3, 5, 2), 14: (4, 5, 3), 15: (1, 2, 1)}
OTHERS |= {18: (3, 1, 3), 19: (1, 0, 1), 20: (5, 6, 6)}
FOLDERS = {"ne": "negative", "po": "positive", "sur": "surprise"}


def names(table: dict[int, Sequence[int]]) -> list[str]:
    """Every clip of a table, ``s1_ne_01``."""
    return [
        f"s{subject}_{word}_{number:02}"
        for subject, counts in table.items()
        for word, count in zip(FOLDERS, counts, strict=True)
        for number in range(1, count + 1)
    ]
