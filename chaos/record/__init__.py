"""The only code that knows the file format. All but `reader` and `parquet` need the standard library only."""
