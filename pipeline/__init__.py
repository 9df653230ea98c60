"""Videos to stores.

    annotations     manifest.csv     frames       landmarks   steady crop    features        stores/
    datasets/x.py ─▶ manifest.py ─▶ clips.py ─▶ faces.py ─▶ crop.py ─▶ features/*.py ─▶ <recipe>.h5
                    └─────────────────────────────── graph.py ────────────────────────────┘

crop.py multiplies what align.py (where the face is put) and steady.py (how the head moved) say, and
resample.py cuts once. landmarkers/ find faces, recipes/ say what is wanted, report.py shows it.

Read graph.py first: it alone knows the order. run.py gives the work to Dask, cache.py keeps
what is finished, cli.py is mer-features.
"""
