"""Real objectives that the configs, the notebooks and the README run; nothing else in the package imports them."""
