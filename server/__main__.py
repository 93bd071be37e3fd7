"""`python -m server`: what a process does before all else is loaded. What it serves, and how: `server.serving`."""

from server import collector

if __name__ == "__main__":
    collector.rest()
    from server.serving import main

    main()
