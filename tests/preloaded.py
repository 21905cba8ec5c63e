"""Every module of the arena, imported once for all processes that are forked from the one that imports this."""

import importlib
import pkgutil

import app

for module in pkgutil.walk_packages(app.__path__, "app."):
    importlib.import_module(module.name)
