"""The two old command lines: old flags -> new calls, nothing else."""
