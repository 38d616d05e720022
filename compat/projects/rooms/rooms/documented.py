"""The Python side of docs/ask.md, as it stands there."""

import re
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[4] / "docs" / "ask.md"
SOCKETS, VIEWS = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.M | re.S)


def run(block, module):
    exec(compile(block, str(DOCUMENT), "exec"), module)
