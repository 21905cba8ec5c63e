"""Studies with recruited people: what a study's file says, and what follows from it. No table and no page is known here."""
