"""MediaPipe's newer interface, with a `face_landmarker.task` file that the user brings."""

from pathlib import Path

from features.base import Array
from features.console import MerError
from pipeline.landmarkers.base import Find, Landmarker
from pipeline.landmarkers.mediapipe_points import MAX_FACES, POINTS, pixels


def start(model: Path | None) -> Find:
    """Image mode, on the CPU."""
    import mediapipe
    from mediapipe.tasks import python as tasks

    if model is None or not model.is_file():
        raise MerError(f"{model}: no such landmark model", "check --landmark-model")
    options = tasks.vision.FaceLandmarkerOptions(
        base_options=tasks.BaseOptions(model_asset_path=str(model)), num_faces=MAX_FACES
    )
    landmarker = tasks.vision.FaceLandmarker.create_from_options(options)

    def find(picture: Array) -> list[Array]:
        image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=picture)
        return [pixels(face, picture) for face in landmarker.detect(image).face_landmarks]

    return find


LANDMARKER = Landmarker(start, POINTS, wants_model=True)
