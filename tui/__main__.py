"""``python -m tui``: the same as ``shiftdeck``."""

from tui.main import main

if __name__ == "__main__":
    main()
