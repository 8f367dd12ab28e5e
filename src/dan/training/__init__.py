"""Training of the network: stage after stage, on Hugging Face Accelerate."""
