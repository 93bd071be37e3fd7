"""The tools that come with Prosa: sales data, read-only SQL, market series, and the guards that they stand on."""
