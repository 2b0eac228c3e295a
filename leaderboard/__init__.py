"""Records in, static leaderboard out: derive, tables, figures, page."""
