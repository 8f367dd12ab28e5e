"""What pytest leaves alone here."""

collect_ignore = ["make_tensorflow_fixture.py"]  # needs TensorFlow; it was run once
