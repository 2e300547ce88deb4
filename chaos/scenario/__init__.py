"""A system under test and what is promised of it, loaded strictly."""
