"""The trace of a run: line by line, and one digest of all."""

from hashlib import sha256

MOST = 1_000  # lines that wait for their part in the digest


class Trace:
    """Takes note of what happens; *keeps*: the lines themselves, not their digest alone."""

    def __init__(self, *, keeps: bool = False) -> None:
        self.lines: list[str] = []
        self._keeps = keeps
        self._digest = sha256()

    def note(self, at: float, *words: object) -> None:
        """Note one thing."""
        self.lines.append(f"{at:.6f} {' '.join(map(str, words))}\n")
        if not self._keeps and len(self.lines) > MOST:
            self._take_in()

    def _take_in(self) -> None:
        self._digest.update("".join(self.lines).encode())
        self.lines.clear()

    @property
    def digest(self) -> str:
        """What stands for the whole trace."""
        if self._keeps:
            return sha256("".join(self.lines).encode()).hexdigest()
        self._take_in()
        return self._digest.hexdigest()
