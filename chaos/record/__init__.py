"""The only code that knows the format of the files. Only `reader` and `parquet` need more than the standard library."""
