"""MediaPipe's older interface, whose model lies inside the wheel (below 0.10.30)."""

from pathlib import Path

from features.base import Array
from features.console import MerError
from pipeline.landmarkers.base import Find, Landmarker
from pipeline.landmarkers.mediapipe_points import MAX_FACES, POINTS, pixels


def start(model: Path | None) -> Find:
    """Still-image mode: its tracking mode drifts by pixels and remembers the clip before."""
    import mediapipe

    if not hasattr(mediapipe, "solutions"):
        raise MerError(
            f"mediapipe {mediapipe.__version__} carries no face model",
            "give --landmark-model face_landmarker.task, or install 'mediapipe<0.10.30'",
        )
    mesh = mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, max_num_faces=MAX_FACES, refine_landmarks=True
    )

    def find(picture: Array) -> list[Array]:
        found = mesh.process(picture).multi_face_landmarks or []
        return [pixels(face.landmark, picture) for face in found]

    return find


LANDMARKER = Landmarker(start, POINTS)
