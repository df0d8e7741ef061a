"""``python -m seqlab``."""

from seqlab.cli import main

raise SystemExit(main())
