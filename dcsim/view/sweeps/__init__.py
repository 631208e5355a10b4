"""The report of a study: what was asked, and what its runs add up to, as plain data."""
