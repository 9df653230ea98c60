"""Videos to stores.

    annotations     manifest.csv     frames       landmarks   steady crop    features        stores/
    datasets/x.py ─▶ manifest.py ─▶ clips.py ─▶ faces.py ─▶ crop.py ─▶ features/*.py ─▶ <recipe>.h5
                    └─────────────────────────────── graph.py ────────────────────────────┘

crop.py multiplies what align.py (where the face is put) and steady.py (how the head moved) say, and
resample.py cuts once. landmarkers/ find faces, recipes/ say what is wanted.

Read graph.py first: it alone knows the order. scan.py finds and digests the files, plan.py says
what a store asks of each sample, run.py gives the work to Dask (engine.py) and publishes; cache.py
keeps what is finished, why.py tells what has changed since, forecast.py what a run would cost,
ledger.py what failed, sweep.py what nobody wants any more. machine.py names the CPU and libraries
that numbers depend on. bring.py (with foreign.py and axes.py) imports arrays made elsewhere.
report.py (with report.html.jinja, .css and .js) makes a page of a store: facts.py says what it
holds, exhibit.py measures and draws its features (thumbnails.py), outliers.py finds who is unlike
the others, look.py and curves.py show how heads moved. pictures.py draws one feature large.
cli.py is mer-features, commands/ what it does, told.py what it says.
"""
