"""From a checkpoint to a bundle that runs without torch."""

from dan.export.bundling import ExportOptions, WeightKind, export

__all__ = ["ExportOptions", "WeightKind", "export"]
