"""The page that finds landmarks in a browser: its files, and what it knows from this package."""
