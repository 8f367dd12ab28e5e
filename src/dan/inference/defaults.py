"""What finds the landmarks where nothing else is named."""

DEFAULT_MODEL = "dan68-fast"
"""The best in accuracy per millisecond on a CPU of those that come with the package."""

DEFAULT_DETECTOR = "finder"
