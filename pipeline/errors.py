"""What can be wrong with one sample. The others go on."""

from features.console import printable


class SampleError(Exception):
    """A sample cannot be used: a short code for machines, a sentence for people.

    The sentence may name a file, so it is made fit for a terminal and a store.

    Codes: bad_row, bad_path, missing_file, missing_frame, empty_file, truncated, undecodable,
    unsupported, changed, short_video, no_face, non_finite, wrong_shape, out_of_range, killed,
    unexpected.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)  # both, so that it survives a pickle
        self.code, self.message = code, printable(message)
