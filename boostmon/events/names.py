"""Names people: by their id of Discord, or once they are erased by a pseudonym."""

import re
import secrets

PSEUDONYM = re.compile(r"erased-[0-9a-f]{12}")


def new_pseudonym() -> str:
    """Make up a name that tells nothing of the person, and is no id of Discord."""
    return f"erased-{secrets.token_hex(6)}"


def is_pseudonym(text: str) -> bool:
    """Tell whether *text* is what an erased person is called."""
    return PSEUDONYM.fullmatch(text) is not None
