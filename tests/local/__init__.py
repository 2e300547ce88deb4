"""Whole trials on `local`, started as a user starts them: real processes, real cuts, every part of the harness.

Controls, each of which makes one check of the harness speak: test_controls.py and test_tampered.py.
Trouble, each with its sentence and its exit code: test_missing.py, test_broken.py, test_killed.py.
"""
