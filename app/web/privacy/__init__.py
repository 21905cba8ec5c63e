"""The page on privacy, and the pages on which the data of one person are read and deleted."""
