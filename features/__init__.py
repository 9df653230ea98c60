"""The ground floor: what a feature is, how it is computed, how it is kept.

    base.py     what a feature says of itself, how it is found, how a result is named
    layout.py   what a store file may contain, and nothing else
    publish.py  writing a store, whole or not at all
    store.py    reading one, every array against its digest
    migrate.py  a store of an older schema, made new
    facs.py     which action units an annotator saw
    protocol.py which samples count, as which classes
    plugin.py   things found by file name
    disk.py     files that are whole or not there
    memory.py   freed memory stays with the process
    progress.py how far a long loop is
    console.py  what the command lines share: errors in two lines, exit codes

    flow.py     where the skin went              methods: clg.py, tvl1.py, OpenCV's
    strain.py polar.py stack.py regions.py steady_flow.py mm_cof.py       made of flow
    hoof.py mdmo.py lbp_top.py                   histograms
    eulerian.py phase_based.py riesz.py          a clip's motion magnified
    two_frame.py lagrangian.py learned.py        the apex, moved on
    dynamic_image.py tim.py frames.py apex.py    a clip pooled, resampled, chosen from, searched

and the mathematics that several share: light.py (grey levels), rigid.py (what no muscle moves),
spline.py, pyramid.py, steerable.py, magnify.py, cells.py.

A feature is a pure function of arrays and a frozen config, in the file with its name.
"""

import os

# HDF5 loads any library that its plug-in path names while it reads a file that asks for it,
# unless told not to before h5py is first imported.
os.environ.setdefault("HDF5_PLUGIN_PRELOAD", "::")
