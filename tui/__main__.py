"""``python -m tui``: the same as ``shiftdeck``."""

from tui.skeleton import main

if __name__ == "__main__":
    main()
