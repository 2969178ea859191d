"""`python -m p2player`."""

import sys

from p2player.cli import main

sys.exit(main())
