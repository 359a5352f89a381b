"""``python -m shiftdeck``: the same as ``shiftdeck``. The one module of this floor that knows the one above."""

from tui.main import main

if __name__ == "__main__":
    main()
