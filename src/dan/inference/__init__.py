"""Landmarks of photographs with ONNX Runtime: bundles, detectors and the aligner; no torch."""
