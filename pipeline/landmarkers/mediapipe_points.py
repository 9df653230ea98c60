"""MediaPipe's 468 points: which of them are where. Both of its interfaces give the same."""

import numpy as np

from features.base import Array

MAX_FACES = 4
LEFT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
RIGHT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
POINTS: dict[str, tuple[int, ...]] = {
    "left_eye": LEFT_EYE,
    "right_eye": RIGHT_EYE,
    "bridge": (168, 6, 197, 195, 5, 4, 1),
    "nose": (1, 4),
    "left_brow": (70, 63, 105, 66, 107, 46, 53, 52, 65, 55),
    "right_brow": (300, 293, 334, 296, 336, 276, 283, 282, 295, 285),
    "left_lip": (61, 78),
    "right_lip": (291, 308),
    "mouth": (61, 291, 0, 17, 13, 14),
}


def pixels(landmarks, picture: Array) -> Array:  # type: ignore[no-untyped-def]
    """MediaPipe's shares of the picture as (468, 2) px; irises, where there are, left out."""
    height, width = picture.shape[:2]
    return np.array([(p.x * width, p.y * height) for p in landmarks[:468]])
