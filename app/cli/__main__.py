"""`python -m app.cli`: the command line without its script."""

from contextlib import suppress

from app.cli import main

if __name__ == "__main__":
    with suppress(BrokenPipeError):
        main()
