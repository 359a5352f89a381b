"""``python -m backends.lab``: the lab as a process of its own. See ``backends.lab.run``."""

from backends.lab.run import main

if __name__ == "__main__":
    main()
