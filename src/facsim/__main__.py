"""``python -m facsim``, and ``torchrun -m facsim`` for several processes."""

from facsim.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
