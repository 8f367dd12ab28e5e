"""What can be written; apart from the writers, so that the command line starts without NumPy."""

from enum import StrEnum


class ResultFormat(StrEnum):
    """What can be written beside ``faces.jsonl``."""

    PTS = "pts"
    CSV = "csv"
    COCO = "coco"
