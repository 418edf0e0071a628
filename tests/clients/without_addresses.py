"""Takes every address out of an npm lock file: where to give money, where to download."""

import json
import sys
from pathlib import Path

file = Path(sys.argv[1])
lock = json.loads(file.read_text(encoding="utf-8"))
for package in lock["packages"].values():
    for name in ("funding", "resolved"):
        package.pop(name, None)
file.write_text(json.dumps(lock, indent=2) + "\n", encoding="utf-8")
