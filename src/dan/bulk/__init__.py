"""Landmarks of many pictures: what to read, how to go through it, what to leave behind."""
