"""A live window, where this machine and this OpenCV have one."""

from __future__ import annotations

import os
import sys

import cv2

from dan.core.errors import DeviceError
from dan.core.types import ColourImage

_QUIT_KEYS = frozenset({27, ord("q")})


def has_display() -> bool:
    """Whether there is a desktop to show things on."""
    on_desktop = sys.platform in ("darwin", "win32")
    return on_desktop or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


class LiveWindow:
    """Shows pictures as they come.

    Raises:
        DeviceError: if there is no display, or an OpenCV without windows.
    """

    def __init__(self, title: str) -> None:
        if not has_display():
            raise DeviceError("live window: expected a display, found none (DISPLAY is not set)")
        self.title = title
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL)
        except cv2.error as error:
            raise DeviceError(
                "live window: this OpenCV was built without windows (opencv-python-headless); "
                "install opencv-python in its place"
            ) from error

    def show(self, picture_rgb: ColourImage) -> bool:
        """Show an (H, W, 3) RGB picture; False once the user closed it, or pressed q or Escape."""
        cv2.imshow(self.title, cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR))
        pressed = cv2.waitKey(1) & 0xFF
        is_open = cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) >= 1
        return is_open and pressed not in _QUIT_KEYS

    def close(self) -> None:
        """Take it away."""
        cv2.destroyWindow(self.title)
