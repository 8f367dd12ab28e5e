"""Work for test_processes.py; in a module of its own, so that other processes can import it."""

import os
import signal
import time


class Squaring:
    """Squares its items, sums them up, and goes wrong in another process when told to."""

    def __init__(self, trouble: str = "") -> None:
        self.trouble = trouble
        self.main = os.getpid()
        self.total = 0

    def __call__(self, item: int) -> int:
        if os.getpid() != self.main:
            if self.trouble == "error":
                raise ValueError(f"no {item}")
            if self.trouble == "death":
                os._exit(9)
            if self.trouble == "sleep":
                time.sleep(60)
        elif self.trouble:
            time.sleep(0.05)
        self.total += item
        return item**2

    def absorb(self, other: "Squaring") -> None:
        self.total += other.total


class SignalMask:
    """Answers whether Ctrl-C is blocked, and in which process."""

    def __call__(self, item: int) -> tuple[int, bool]:
        return os.getpid(), signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])

    def absorb(self, other: "SignalMask") -> None:
        pass
