"""What SQL statements need of a database, read off their text."""
