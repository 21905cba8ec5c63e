"""Imports what most commands import when they run, so that processes forked from one that has it start at once."""

import app.cli
import app.cli.tables
import app.cli.work
import app.exchange.export
import app.services.demo
import app.web.server  # noqa: F401
