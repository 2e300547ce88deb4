"""The only code that knows the file format. Standard library only, but for `reader` and `parquet`."""
