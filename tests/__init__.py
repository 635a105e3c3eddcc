"""Tests of the template: is the source sound, do the options and hooks work, does the result?"""
