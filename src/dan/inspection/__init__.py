"""What annotations look like before anybody trains on them: faults, figures, pictures."""
