"""`python -m lunops`."""

from lunops.cli import main

if __name__ == "__main__":
    main()
