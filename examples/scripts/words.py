"""Random words of one to LONGEST (3) of a file's characters, each once.

python words.py chinese.txt 20000 [LONGEST] > chinese.words.txt
"""

import random
import sys
from pathlib import Path

characters = "".join(Path(sys.argv[1]).read_text(encoding="utf-8").split())
count, draws = int(sys.argv[2]), random.Random(0)
longest = int(sys.argv[3]) if len(sys.argv) > 3 else 3
words: dict[str, None] = {}
while len(words) < count:
    words["".join(draws.choices(characters, k=draws.randint(1, longest)))] = None
sys.stdout.reconfigure(encoding="utf-8")
print("\n".join(words))
