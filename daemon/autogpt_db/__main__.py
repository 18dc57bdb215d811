"""`python -m autogpt_db`."""

from autogpt_db.cli import main

main()
