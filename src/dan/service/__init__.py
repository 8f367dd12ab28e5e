"""Landmarks over HTTP: the service that ``dan serve`` starts."""
