"""``python -m miniuv``."""

from miniuv.noop import main

if __name__ == "__main__":
    main()
