"""`python -m tau2_core` is `tau2-gym`."""

from tau2_core.cli.app import main

if __name__ == "__main__":
    main()
