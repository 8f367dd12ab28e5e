"""Objects that hold what belongs to one process, and can be copied and pickled all the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Copied:
    """Copied and pickled without what belongs to one process or thread, which is made anew."""

    _own: tuple[str, ...]

    def _prepare(self) -> None:
        """Make it."""
        raise NotImplementedError

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in self._own}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state)
        self._prepare()
