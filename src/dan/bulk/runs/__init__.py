"""Runs over millions of pictures: listed once as tasks, done in any order, resumed, merged."""
