"""Recordings of real homes and wrists: one file a format, and how to tell them apart."""
