"""What can be written; apart from the writers, so that the command line starts without NumPy."""

from enum import StrEnum


class ResultFormat(StrEnum):
    """What can be written beside ``faces.jsonl``."""

    PTS = "pts"
    CSV = "csv"
    COCO = "coco"
    OPENFACE = "openface"
    PYFEAT = "pyfeat"
    PARQUET = "parquet"


ROW_SUFFIXES = {
    ResultFormat.OPENFACE: ".openface.csv",
    ResultFormat.PYFEAT: ".pyfeat.csv",
    ResultFormat.CSV: ".csv",
    ResultFormat.PARQUET: ".parquet",
}
"""How the names of a video's tables end, in the formats that it has."""
