"""Measuring: how near an image is to the truth, and named ways of saying so."""
