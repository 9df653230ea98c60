"""The ground floor: what a feature is, how it is computed, how it is kept.

    base.py     what a feature says of itself, how it is found, how a result is named
    store.py    the HDF5 feature store: publish one, read one, verify one
    facs.py     which action units an annotator saw
    protocol.py which samples count, as which classes
    plugin.py   things found by file name
    disk.py     files that are whole or not there
    progress.py how far a long loop is
    console.py  what the command lines share: errors in two lines, exit codes
    flow.py     onset → apex optical flow       (2, H, W) px
    strain.py   how much the flow deforms skin  (1, H, W) px/px

A feature is a pure function of arrays and a frozen config, in the file with its name.
"""
