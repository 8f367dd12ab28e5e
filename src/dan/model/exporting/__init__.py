"""From a checkpoint to a bundle that runs without torch."""

from dan.model.exporting.bundling import ExportOptions, WeightKind, export

__all__ = ["ExportOptions", "WeightKind", "export"]
