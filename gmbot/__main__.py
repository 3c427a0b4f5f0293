"""`python -m gmbot` is `gmbot`."""

import sys

from gmbot.cli import main

sys.exit(main())
