"""The kinds of annotations by name, for the help of the commands, which loads nothing heavy."""

KIND_NAMES = ("pts", "ptv", "ljson", "coco", "dlib", "wflw", "hrnet", "youtube", "theano")
"""Those of :data:`dan.datasets.annotation_files.KINDS`, in that order."""
