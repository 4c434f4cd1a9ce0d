"""The words for a part of the rows, in a column, in a file's or a folder's name, or an array's."""

from collections.abc import Mapping

SPLIT = "split"
"""The column that says of which part a row is."""
TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev", "development"), VALIDATION),
    **dict.fromkeys(("test", "testing"), TEST),
}
"""The words, small letters, and the part. Rows of ``validation`` are trained on."""
FLAGS: Mapping[object, str] = {
    **dict.fromkeys((0, "0", "false"), TRAIN),
    **dict.fromkeys((1, "1", "true"), TEST),
}
"""Other ways to write, in a column, that a row is for the test, or not."""
