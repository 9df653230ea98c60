"""One file a landmarker. Its last line says what it is."""
