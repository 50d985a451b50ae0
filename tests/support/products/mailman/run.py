# Serves Mailman's API alone, on Pythons that are newer than Mailman too.
import pathlib
import sys
import types

# For news groups, which nobody has here. Gone since Python 3.13.
sys.modules.setdefault("nntplib", types.ModuleType("nntplib"))
# A path once could stand in a `with`, which did nothing. Gone since Python 3.13.
pathlib.Path.__enter__ = lambda self: self
pathlib.Path.__exit__ = lambda self, *_: None

from mailman.bin.runner import main  # noqa: E402

main()
