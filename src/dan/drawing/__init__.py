"""Landmarks on pictures, and diagrams of schemes."""
