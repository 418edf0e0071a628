"""The trace of a run: line by line, and one digest of all."""

from hashlib import sha256


class Trace:
    """Takes note of what happens; *keeps*: the lines themselves, not their digest alone."""

    def __init__(self, *, keeps: bool = False) -> None:
        self.lines: list[str] = []
        self._keeps = keeps
        self._digest = sha256()

    def note(self, at: float, *words: object) -> None:
        """Note one thing."""
        line = f"{at:.6f} " + " ".join(map(str, words)) + "\n"
        self._digest.update(line.encode())
        if self._keeps:
            self.lines.append(line)

    @property
    def digest(self) -> str:
        """What stands for the whole trace."""
        return self._digest.hexdigest()
