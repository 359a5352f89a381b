"""``python -m backends.lab``: the lab in its own process. See ``backends.lab.run``."""

from backends.lab.run import main

if __name__ == "__main__":
    main()
