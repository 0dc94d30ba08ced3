"""What is in a source: figures per field, what a field probably means, and a page that shows it."""
