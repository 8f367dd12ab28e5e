"""What every other part stands on: errors, types, checks, files, pictures."""
