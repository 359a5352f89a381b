"""``python -m tui``: the same as ``shiftdeck``."""

from tui.cli import main

if __name__ == "__main__":
    main()
