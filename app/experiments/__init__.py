"""An experiment's file: parse, check, plan and freeze."""
