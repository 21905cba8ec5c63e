"""The JSON API: what pages and command line can do, for programs with a personal token."""
