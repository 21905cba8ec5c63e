"""The JSON API: the functions of pages and command line, for programs with a personal token."""
