"""One file a dataset: its annotations -> a manifest. The last line says what it is."""
