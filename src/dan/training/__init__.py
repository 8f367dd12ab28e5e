"""Training of the network: stage after stage, on Hugging Face Accelerate."""

from dan.training.log import TrainingLog, ValidationReport
from dan.training.pipeline import TrainedModel, train
from dan.training.recipe import (
    Augmentation,
    DataSettings,
    Recipe,
    TrainingSettings,
    load_recipe,
)

__all__ = [
    "Augmentation",
    "DataSettings",
    "Recipe",
    "TrainedModel",
    "TrainingLog",
    "TrainingSettings",
    "ValidationReport",
    "load_recipe",
    "train",
]
