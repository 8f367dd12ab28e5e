"""What people do with the points: crops, head pose, measures, shapes."""
