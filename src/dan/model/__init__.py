"""The Deep Alignment Network in PyTorch (Kowalski, Naruniec, Trzcinski 2017, arXiv 1706.01789)."""

from dan.model.config import DANConfig, paper
from dan.model.cost import ModelCost, cost_of
from dan.model.dan import DAN
from dan.model.weights import ModelFile, load_model, save_model

__all__ = [
    "DAN",
    "DANConfig",
    "ModelCost",
    "ModelFile",
    "cost_of",
    "load_model",
    "paper",
    "save_model",
]
