"""Videos to stores.

    annotations     manifest.csv     frames         crop           features        stores/<dataset>/
    datasets/x.py ─▶ manifest.py ─▶ clips.py ─▶ faces.py ─▶ features/*.py ─▶ <recipe>.h5
                    └──────────────────────── graph.py ─────────────────┘

Read graph.py first: it alone knows the order. run.py gives the work to Dask, cache.py keeps
what is finished, cli.py is mer-features.
"""
