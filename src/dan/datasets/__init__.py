"""Data sets on disk: annotated image folders, packed faces, the old scripts' samples."""
