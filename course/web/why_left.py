"""The words a learner may choose from after leaving, as the office reads them.

The learner's page says them in the learner's language. Stored is the key alone.
"""

from __future__ import annotations

#: Key -> the words. "never" also closes the address to all mail.
WHY = {
    "often": "Too often",
    "useless": "Not useful",
    "long": "Too long",
    "finished": "Finished already",
    "never": "Never signed up",
}

#: In the address of a list: those who left without a word.
SILENT = "silent"
