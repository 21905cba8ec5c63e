"""What is assumed of an experiment before it is played. Kept apart, so that commands can show it without loading numpy."""

EXPECTED_CORRELATION = 0.2
"""Correlation of questions on one passage, where the data do not determine it."""

DISCORDANCE = 0.30
"""Share of questions on which one arm is right and the other wrong."""

ORDER_CORRELATION = 1.0
"""Correlation of two readings of a question in different orders: at 1 the second says what the first said."""
