"""`python -m boostmon` is the same as `boostmon`."""

from boostmon.cli import main

if __name__ == "__main__":
    main()
